//! Checks a query against an object as one user may see it: names exist, literals have the field's type.

use super::filter::{Filter, Operand, SortKey, Test};
use super::lexer::LITERAL_WILDCARD;
use super::{Condition, Literal, LiteralValue, Name, Operator, OrderBy, SoqlError};
use crate::salesforce::field::{Field, FieldType};
use crate::salesforce::ids;
use crate::salesforce::schema::Object;
use crate::salesforce::value::datetime_text;

/// The fields of an object that a user may see.
pub(crate) struct View<'a> {
    pub object: &'a Object,
    /// Whether a field is hidden from the user, who then cannot tell it from one that does not exist.
    pub hidden: &'a dyn Fn(&str) -> bool,
}

impl<'a> View<'a> {
    /// A visible field by its name as written in a query.
    pub fn field(&self, name: &Name) -> Result<&'a Field, SoqlError> {
        let bare = name
            .text
            .strip_prefix(&format!("{}.", self.object.name))
            .unwrap_or(&name.text);
        if let Some((relationship, _)) = bare.split_once('.') {
            return Err(SoqlError {
                code: "INVALID_FIELD",
                message: format!(
                    "Didn't understand relationship '{relationship}' in field path. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names."
                ),
                at: Some(name.at),
            });
        }
        self.object.field(bare).filter(|field| !(self.hidden)(&field.name)).ok_or_else(|| SoqlError {
            code: "INVALID_FIELD",
            message: format!(
                "No such column '{}' on entity '{}'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.",
                name.text, self.object.name
            ),
            at: Some(name.at),
        })
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
                let field = self.filterable(name)?;
                let test = comparison(field, name, *operator, literal)?;
                Filter::Field {
                    name: field.name.clone(),
                    folds_case: folds_case(field),
                    test,
                }
            }
            Condition::OneOf {
                field: name,
                negated,
                literals,
            } => {
                let field = self.filterable(name)?;
                let operands = literals
                    .iter()
                    .map(|literal| operand(field, literal))
                    .collect::<Result<Vec<_>, _>>()?;
                let test = Test::OneOf(operands);
                let test = Filter::Field {
                    name: field.name.clone(),
                    folds_case: folds_case(field),
                    test,
                };
                if *negated {
                    Filter::Not(Box::new(test))
                } else {
                    test
                }
            }
            Condition::Includes {
                field: name,
                negated,
                literals,
            } => {
                let field = self.filterable(name)?;
                if field.field_type != FieldType::Multipicklist {
                    return Err(invalid_operator(name));
                }
                let sets = literals
                    .iter()
                    .map(|literal| match operand(field, literal)? {
                        Operand::Text(set) => Ok(set.split(';').map(str::to_owned).collect()),
                        _ => Ok(Vec::new()),
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                let test = Filter::Field {
                    name: field.name.clone(),
                    folds_case: folds_case(field),
                    test: Test::Includes(sets),
                };
                if *negated {
                    Filter::Not(Box::new(test))
                } else {
                    test
                }
            }
        })
    }

    /// One term of an order that rows can be sorted by.
    pub fn sort_key(&self, term: &OrderBy) -> Result<SortKey, SoqlError> {
        let field = self.field(&term.field)?;
        if !field.sortable {
            return Err(SoqlError {
                code: "INVALID_FIELD",
                message: format!("field '{}' can not be sorted in a query call", field.name),
                at: Some(term.field.at),
            });
        }
        Ok(SortKey {
            field: field.name.clone(),
            folds_case: folds_case(field),
            descending: term.descending,
            nulls_last: term.nulls_last,
        })
    }

    fn filterable(&self, name: &Name) -> Result<&'a Field, SoqlError> {
        let field = self.field(name)?;
        if field.filterable {
            return Ok(field);
        }
        Err(SoqlError {
            code: "INVALID_FIELD",
            message: format!("field '{}' can not be filtered in a query call", field.name),
            at: Some(name.at),
        })
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
        return Ok(Test::Like(pattern.clone()));
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

/// Text is compared without regard to case, unless the field is case-sensitive; ids never are folded.
fn folds_case(field: &Field) -> bool {
    field.field_type.is_text() && !field.case_sensitive
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
