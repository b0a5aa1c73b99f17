//! Checks a query against an object as one user may see it: names exist, literals have the field's type.

use super::dates::{Calendar, RelativeDate};
use super::filter::{Filter, Operand, Operands, Path, Test};
use super::lexer::LITERAL_WILDCARD;
use super::like::Pattern;
use super::order::SortKey;
use super::{Condition, Literal, LiteralValue, Name, Operator, OrderBy, Query, SoqlError};
use crate::salesforce::field::{Field, FieldType};
use crate::salesforce::ids;
use crate::salesforce::schema::{Object, Schema};
use crate::salesforce::users::User;
use crate::salesforce::value::datetime_text;

/// How many references a path may follow (Salesforce docs: SOQL, Relationship Query Limitations).
const LONGEST_PATH: usize = 5;

/// Answers a semi-join's query with the values of its one field.
pub(crate) type Subqueries<'q> = dyn Fn(&Query) -> Result<Vec<Operand>, SoqlError> + 'q;

/// An object as one user may see it.
#[derive(Clone, Copy)]
pub(crate) struct View<'a, 'q> {
    pub object: &'a Object,
    /// What the query calls the object, beside its own name.
    pub alias: Option<&'q str>,
    /// Whose field-level security bounds what is seen: a hidden field cannot be told from one that does not exist.
    /// `None` sees everything.
    pub user: Option<&'q User>,
    /// Where to look up the objects of parents; without it there are none.
    pub schema: Option<&'a Schema>,
    /// What relative dates refer to; without it there are none.
    pub calendar: Option<Calendar>,
    /// Without it there are no semi-joins.
    pub subqueries: Option<&'q Subqueries<'q>>,
}

/// A field that a name in a query stands for.
#[derive(Debug, Clone)]
pub(crate) struct Column<'a> {
    /// The references followed to get there; none for the object's own fields.
    pub steps: Vec<Step<'a>>,
    /// The object whose field it is.
    pub object: &'a Object,
    pub field: &'a Field,
}

/// The same field by the same way. Names tell: comparing whole descriptions would be most of what a query does.
impl PartialEq for Column<'_> {
    fn eq(&self, other: &Self) -> bool {
        let way = |column: &Self| -> Vec<&str> {
            column
                .steps
                .iter()
                .map(|step| step.reference.name.as_str())
                .collect()
        };
        self.field.name == other.field.name
            && self.object.name == other.object.name
            && way(self) == way(other)
    }
}

/// One reference followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Step<'a> {
    pub reference: &'a Field,
    /// The name of the relationship, as answers spell it.
    pub relationship: &'a str,
    /// Whether it can lead to several kinds of record.
    pub polymorphic: bool,
}

impl Column<'_> {
    /// Where its value stands.
    pub fn path(&self) -> Path {
        Path {
            via: self
                .steps
                .iter()
                .map(|step| step.reference.name.clone())
                .collect(),
            field: self.field.name.clone(),
        }
    }

    /// Its name as answers spell it: `Account.Name`.
    pub fn spelled(&self) -> String {
        let steps = self.steps.iter().map(|step| step.relationship);
        steps
            .chain([self.field.name.as_str()])
            .collect::<Vec<_>>()
            .join(".")
    }

    /// Text is compared without regard to case, unless the field is case-sensitive; ids never are folded.
    pub fn folds_case(&self) -> bool {
        self.field.field_type.is_text() && !self.field.case_sensitive
    }
}

impl<'a> View<'a, '_> {
    /// The object by itself and whole, as an administrator's rules see it.
    pub fn whole(object: &'a Object) -> Self {
        Self {
            object,
            alias: None,
            user: None,
            schema: None,
            calendar: None,
            subqueries: None,
        }
    }

    /// The field that a name as written in a query stands for.
    pub fn column(&self, name: &Name) -> Result<Column<'a>, SoqlError> {
        let mut segments: Vec<&str> = name.text.split('.').collect();
        let own = |segment: &str| {
            segment.eq_ignore_ascii_case(&self.object.name)
                || self
                    .alias
                    .is_some_and(|alias| segment.eq_ignore_ascii_case(alias))
        };
        if segments.len() > 1 && own(segments[0]) && self.step(self.object, segments[0]).is_none() {
            segments.remove(0);
        }
        let field = segments.pop().unwrap_or_default();
        if segments.len() > LONGEST_PATH {
            // The limit is documented; its wording is not.
            let message = format!(
                "A relationship path cannot have more than {LONGEST_PATH} levels: {}",
                name.text
            );
            return Err(SoqlError::malformed(message, name.at));
        }
        let mut object = self.object;
        let mut steps = Vec::new();
        for relationship in segments {
            let Some((step, target)) = self.step(object, relationship) else {
                return Err(unknown_relationship(relationship, name.at));
            };
            steps.push(step);
            object = target;
        }
        let field = self.visible(object, field).ok_or_else(|| SoqlError {
            code: "INVALID_FIELD",
            message: format!(
                "No such column '{field}' on entity '{}'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.",
                object.name
            ),
            at: Some(name.at),
        })?;
        Ok(Column { steps, object, field })
    }

    /// A field of an object by its name, if the user may see it.
    pub fn visible(&self, object: &'a Object, name: &str) -> Option<&'a Field> {
        object.field(name).filter(|field| {
            self.user
                .is_none_or(|user| !user.is_hidden(&object.name, &field.name))
        })
    }

    /// Follows a relationship to a parent.
    fn step(&self, object: &'a Object, relationship: &str) -> Option<(Step<'a>, &'a Object)> {
        let reference = object.fields.iter().find(|field| {
            field.field_type == FieldType::Reference
                && field
                    .relationship_name
                    .as_deref()
                    .is_some_and(|name| name.eq_ignore_ascii_case(relationship))
        })?;
        let reference = self.visible(object, &reference.name)?;
        let target = reference
            .reference_to
            .iter()
            .find_map(|target| self.schema?.object(target))
            .filter(|target| self.user.is_none_or(|user| user.rights(&target.name).read))?;
        let step = Step {
            reference,
            relationship: reference.relationship_name.as_deref().unwrap_or_default(),
            polymorphic: reference.reference_to.len() > 1,
        };
        Some((step, target))
    }

    /// A condition that rows can be tested with.
    pub fn filter(&self, condition: &Condition) -> Result<Filter, SoqlError> {
        let each = |terms: &[Condition]| {
            terms
                .iter()
                .map(|term| self.filter(term))
                .collect::<Result<_, _>>()
        };
        Ok(match condition {
            Condition::All(terms) => Filter::All(each(terms)?),
            Condition::Any(terms) => Filter::Any(each(terms)?),
            Condition::Not(term) => Filter::Not(Box::new(self.filter(term)?)),
            Condition::Compare {
                field: name,
                operator,
                literal,
            } => {
                let column = self.filterable(name)?;
                if let LiteralValue::Relative(date) = &literal.value {
                    return self.within(&column, name, *operator, *date, literal);
                }
                on(&column, comparison(column.field, name, *operator, literal)?)
            }
            Condition::OneOf {
                field: name,
                negated,
                literals,
            } => {
                let column = self.filterable(name)?;
                let operands = literals
                    .iter()
                    .map(|literal| operand(column.field, literal))
                    .collect::<Result<Vec<_>, _>>()?;
                let operands = Operands::new(operands, column.folds_case());
                unless(*negated, on(&column, Test::OneOf(operands)))
            }
            Condition::OneOfQuery {
                field: name,
                negated,
                query,
            } => {
                let column = self.filterable(name)?;
                let Some(subqueries) = self.subqueries else {
                    let message = "Nesting of semi join sub-selects is not supported";
                    return Err(SoqlError::malformed(message, query.object.at));
                };
                if !matches!(column.field.field_type, FieldType::Id | FieldType::Reference) {
                    let message = format!(
                        "The left operand field in the where expression for outer query should be an id field, cannot use: '{}'",
                        column.field.name
                    );
                    return Err(SoqlError::malformed(message, name.at));
                }
                let operands = Operands::new(subqueries(query)?, column.folds_case());
                unless(*negated, on(&column, Test::OneOf(operands)))
            }
            Condition::Includes {
                field: name,
                negated,
                literals,
            } => {
                let column = self.filterable(name)?;
                if column.field.field_type != FieldType::Multipicklist {
                    return Err(invalid_operator(name));
                }
                let sets = literals
                    .iter()
                    .map(|literal| match operand(column.field, literal)? {
                        Operand::Text(set) => Ok(set.split(';').map(str::to_owned).collect()),
                        _ => Ok(Vec::new()),
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                unless(*negated, on(&column, Test::Includes(sets)))
            }
        })
    }

    /// One term of an order that rows can be sorted by.
    pub fn sort_key(&self, term: &OrderBy) -> Result<SortKey, SoqlError> {
        let column = self.column(&term.field)?;
        if !column.field.sortable {
            return Err(SoqlError {
                code: "INVALID_FIELD",
                message: format!("field '{}' can not be sorted in a query call", column.field.name),
                at: Some(term.field.at),
            });
        }
        Ok(SortKey {
            path: column.path(),
            folds_case: column.folds_case(),
            descending: term.descending,
            nulls_last: term.nulls_last,
        })
    }

    fn filterable(&self, name: &Name) -> Result<Column<'a>, SoqlError> {
        let column = self.column(name)?;
        if column.field.filterable {
            return Ok(column);
        }
        Err(SoqlError {
            code: "INVALID_FIELD",
            message: format!(
                "field '{}' can not be filtered in a query call",
                column.field.name
            ),
            at: Some(name.at),
        })
    }

    /// A comparison with a stretch of days: before its start, after its end, or within.
    fn within(
        &self,
        column: &Column<'_>,
        name: &Name,
        operator: Operator,
        date: RelativeDate,
        literal: &Literal,
    ) -> Result<Filter, SoqlError> {
        let bounds = self.calendar.and_then(|calendar| {
            let (from, to) = date.days(calendar)?;
            match column.field.field_type {
                FieldType::Date => Some((from.to_string(), to.to_string())),
                FieldType::Datetime => Some((
                    datetime_text(calendar.start_of(from)?),
                    datetime_text(calendar.start_of(to)?),
                )),
                _ => None,
            }
        });
        let Some((from, to)) = bounds else {
            return Err(wrong_type(column.field, literal));
        };
        let from_on = || on(column, Test::GreaterOrEqual(Operand::Text(from.clone())));
        let before_end = || on(column, Test::Less(Operand::Text(to.clone())));
        Ok(match operator {
            Operator::Equal => Filter::All(vec![from_on(), before_end()]),
            Operator::NotEqual => Filter::Not(Box::new(Filter::All(vec![from_on(), before_end()]))),
            Operator::Less => on(column, Test::Less(Operand::Text(from))),
            Operator::LessOrEqual => before_end(),
            Operator::Greater => on(column, Test::GreaterOrEqual(Operand::Text(to))),
            Operator::GreaterOrEqual => from_on(),
            Operator::Like => return Err(invalid_operator(name)),
        })
    }
}

fn on(column: &Column<'_>, test: Test) -> Filter {
    Filter::Field {
        path: column.path(),
        folds_case: column.folds_case(),
        test,
    }
}

fn unless(negated: bool, filter: Filter) -> Filter {
    if negated {
        Filter::Not(Box::new(filter))
    } else {
        filter
    }
}

fn comparison(field: &Field, name: &Name, operator: Operator, literal: &Literal) -> Result<Test, SoqlError> {
    let ranged = !matches!(operator, Operator::Equal | Operator::NotEqual);
    if ranged && matches!(field.field_type, FieldType::Boolean | FieldType::Multipicklist) {
        return Err(invalid_operator(name));
    }
    if operator == Operator::Like {
        if !field.field_type.is_text() {
            return Err(invalid_operator(name));
        }
        let LiteralValue::Text(pattern) = &literal.value else {
            return Err(wrong_type(field, literal));
        };
        return Ok(Test::Like(Pattern::new(pattern)));
    }
    let operand = operand(field, literal)?;
    Ok(match operator {
        Operator::Equal => Test::Equal(operand),
        Operator::NotEqual => Test::NotEqual(operand),
        Operator::Less => Test::Less(operand),
        Operator::LessOrEqual => Test::LessOrEqual(operand),
        Operator::Greater => Test::Greater(operand),
        Operator::GreaterOrEqual | Operator::Like => Test::GreaterOrEqual(operand),
    })
}

fn operand(field: &Field, literal: &Literal) -> Result<Operand, SoqlError> {
    let field_type = field.field_type;
    match &literal.value {
        LiteralValue::Null => Ok(Operand::Null),
        LiteralValue::Boolean(value) if field_type == FieldType::Boolean => Ok(Operand::Boolean(*value)),
        LiteralValue::Number(value) if field_type.is_number() => Ok(Operand::Number(*value)),
        LiteralValue::Date(date) if field_type == FieldType::Date => Ok(Operand::Text(date.to_string())),
        LiteralValue::DateTime(moment) if field_type == FieldType::Datetime => {
            Ok(Operand::Text(datetime_text(*moment)))
        }
        // An empty string is no value at all.
        LiteralValue::Text(text) if text.is_empty() && field_type.is_text() => Ok(Operand::Null),
        LiteralValue::Text(text) if field_type.is_text() => {
            Ok(Operand::Text(text.replace(LITERAL_WILDCARD, "")))
        }
        LiteralValue::Text(text) if matches!(field_type, FieldType::Id | FieldType::Reference) => {
            ids::canonical(text).map(Operand::Text).ok_or_else(|| SoqlError {
                code: "INVALID_QUERY_FILTER_OPERATOR",
                message: format!("invalid ID field: {text}"),
                at: Some(literal.at),
            })
        }
        _ => Err(wrong_type(field, literal)),
    }
}

fn wrong_type(field: &Field, literal: &Literal) -> SoqlError {
    let (type_name, quotes) = match field.field_type {
        FieldType::Boolean => ("boolean", "should not"),
        FieldType::Int => ("integer", "should not"),
        FieldType::Double | FieldType::Currency | FieldType::Percent => ("double", "should not"),
        FieldType::Date => ("date", "should not"),
        FieldType::Datetime => ("dateTime", "should not"),
        FieldType::Time => ("time", "should not"),
        _ => ("string", "should"),
    };
    SoqlError {
        code: "INVALID_FIELD",
        message: format!(
            "value of filter criterion for field '{}' must be of type {type_name} and {quotes} be enclosed in quotes",
            field.name
        ),
        at: Some(literal.at),
    }
}

fn invalid_operator(name: &Name) -> SoqlError {
    SoqlError {
        code: "INVALID_QUERY_FILTER_OPERATOR",
        message: format!("invalid operator on field {}", name.text),
        at: Some(name.at),
    }
}

/// There is no such relationship from here.
pub(crate) fn unknown_relationship(relationship: &str, at: usize) -> SoqlError {
    SoqlError {
        code: "INVALID_FIELD",
        message: format!(
            "Didn't understand relationship '{relationship}' in field path. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names."
        ),
        at: Some(at),
    }
}
