//! The comparisons of encoded queries, and how each is written.

/// The comparisons the simulator knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service_now) enum Operator {
    Equals,
    NotEquals,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
    Like,
    NotLike,
    StartsWith,
    EndsWith,
    IsEmpty,
    IsNotEmpty,
    EmptyString,
    Anything,
    Between,
    SameAs,
    NotSameAs,
    GreaterThanField,
    GreaterOrEqualsField,
    LessThanField,
    LessOrEqualsField,
    /// `due_dateMORETHANclosed_at@day@before@1`.
    MoreThan,
    LessThan,
    On,
    NotOn,
    /// `opened_atRELATIVEGT@hour@ago@1`, and so on for the other four.
    Relative(Trend),
    /// `opened_atDATEPARTMonday@javascript:gs.datePart('dayofweek','monday','EE')`.
    DatePart,
    /// `sys_class_nameINSTANCEOFtask`.
    InstanceOf,
    /// `assigned_toDYNAMIC…`: a saved dynamic filter, of which only "Me" is known.
    Dynamic,
    /// `VALCHANGES`, `CHANGESFROM`, `CHANGESTO`: they need a current and a previous record, which a query over REST does
    /// not have.
    Changes,
}

/// How a moment lies to another: the suffix of `RELATIVE…` and the last argument of `gs.datePart`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service_now) enum Trend {
    On,
    Before,
    OnOrBefore,
    After,
    OnOrAfter,
}

impl Trend {
    /// The trend written as `EE`, `LT`, `LE`, `GT` or `GE`.
    pub(in crate::service_now) fn named(name: &str) -> Option<Self> {
        match name {
            "EE" => Some(Self::On),
            "LT" => Some(Self::Before),
            "LE" => Some(Self::OnOrBefore),
            "GT" => Some(Self::After),
            "GE" => Some(Self::OnOrAfter),
            _ => None,
        }
    }
}

/// Written form of each operator. Among those that fit at one place the longest wins, so order does not matter.
pub(super) const OPERATORS: [(&str, Operator); 43] = [
    ("=", Operator::Equals),
    ("!=", Operator::NotEquals),
    ("<", Operator::Less),
    ("<=", Operator::LessOrEqual),
    (">", Operator::Greater),
    (">=", Operator::GreaterOrEqual),
    ("IN", Operator::In),
    ("NOT IN", Operator::NotIn),
    ("LIKE", Operator::Like),
    ("*", Operator::Like),
    ("CONTAINS", Operator::Like),
    ("NOT LIKE", Operator::NotLike),
    ("NOTLIKE", Operator::NotLike),
    ("!*", Operator::NotLike),
    ("DOES NOT CONTAIN", Operator::NotLike),
    ("STARTSWITH", Operator::StartsWith),
    ("ENDSWITH", Operator::EndsWith),
    ("%", Operator::EndsWith),
    ("ISEMPTY", Operator::IsEmpty),
    ("ISNOTEMPTY", Operator::IsNotEmpty),
    ("EMPTYSTRING", Operator::EmptyString),
    ("ANYTHING", Operator::Anything),
    ("BETWEEN", Operator::Between),
    ("SAMEAS", Operator::SameAs),
    ("NSAMEAS", Operator::NotSameAs),
    ("GT_FIELD", Operator::GreaterThanField),
    ("GT_OR_EQUALS_FIELD", Operator::GreaterOrEqualsField),
    ("LT_FIELD", Operator::LessThanField),
    ("LT_OR_EQUALS_FIELD", Operator::LessOrEqualsField),
    ("MORETHAN", Operator::MoreThan),
    ("LESSTHAN", Operator::LessThan),
    ("ON", Operator::On),
    ("NOTON", Operator::NotOn),
    ("RELATIVEEE", Operator::Relative(Trend::On)),
    ("RELATIVELT", Operator::Relative(Trend::Before)),
    ("RELATIVELE", Operator::Relative(Trend::OnOrBefore)),
    ("RELATIVEGT", Operator::Relative(Trend::After)),
    ("RELATIVEGE", Operator::Relative(Trend::OnOrAfter)),
    ("DATEPART", Operator::DatePart),
    ("INSTANCEOF", Operator::InstanceOf),
    ("DYNAMIC", Operator::Dynamic),
    ("VALCHANGES", Operator::Changes),
    ("CHANGESFROM", Operator::Changes),
];

/// The operator that `text` begins with, and how it is written there.
pub(super) fn operator_at(text: &str) -> Option<(&'static str, Operator)> {
    OPERATORS
        .iter()
        .filter(|(written, _)| text.starts_with(written))
        .max_by_key(|(written, _)| written.len())
        .map(|(written, operator)| (*written, *operator))
}

impl Operator {
    /// Whether the comparison reveals order or content bit by bit, and so needs `query_range` access where `=` needs
    /// `query_match` (ServiceNow docs: query ACLs).
    pub(in crate::service_now) fn is_range(self) -> bool {
        !matches!(
            self,
            Self::Equals
                | Self::NotEquals
                | Self::In
                | Self::NotIn
                | Self::IsEmpty
                | Self::IsNotEmpty
                | Self::EmptyString
                | Self::Anything
                | Self::SameAs
                | Self::NotSameAs
                | Self::InstanceOf
                | Self::Dynamic
                | Self::Changes
        )
    }
}
