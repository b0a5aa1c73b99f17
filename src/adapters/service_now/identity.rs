//! Who answers, and what its clock says.

use http::StatusCode;
use serde::Deserialize;

use super::action;
use super::client::{CallError, Client};
use super::errors;
use super::row::{self, Row};
use super::table::server_time;
use super::web_page;
use crate::adapters::http::{call, failure};
use crate::core::side::Side;
use crate::ports::{Identity, RemoteError};

const ACTION: &str = "identity";

/// The properties that name an instance, the better one first.
const NAMES: [&str; 2] = ["instance_id", "instance_name"];

impl Client {
    /// The property `instance_id`; where it has no value, `instance_name`; where our account may read neither, the
    /// host, which names the instance as well as long as nobody moves the address to another one.
    pub(super) async fn instance(&self) -> Result<Identity, RemoteError> {
        let what = action::in_words(ACTION);
        let parameters = [
            ("sysparm_query", "nameINinstance_id,instance_name"),
            ("sysparm_fields", "name,value"),
            ("sysparm_limit", "10"),
            ("sysparm_display_value", "false"),
        ];
        let response = match self
            .get(ACTION, "/api/now/table/sys_properties", &parameters)
            .await
        {
            Ok(response) => response,
            Err(CallError::Before(error)) => return Err(error),
            Err(CallError::After(error)) => return Err(failure::transport(Side::ServiceNow, what, &error)),
        };
        let status = response.status();
        let elsewhere = web_page::of_the_instance(self.host(), response.body())
            .or_else(|| web_page::of_another_service(self.host(), &response));
        if let Some(error) = elsewhere {
            return Err(error);
        }
        let rows = match status {
            StatusCode::OK => {
                call::json::<Properties>(response.body())
                    .map_err(|fault| failure::body(Side::ServiceNow, what, status, fault))?
                    .result
            }
            StatusCode::ACCEPTED => return Err(errors::not_executed(what)),
            // The account is known: it may only not read properties.
            StatusCode::FORBIDDEN if errors::vendor_error(response.body()).is_some() => Vec::new(),
            _ => {
                return Err(errors::refused_read(
                    what,
                    "sys_properties",
                    self.sign_in.secret(),
                    &response,
                ));
            }
        };
        let id = NAMES.iter().find_map(|name| value_of(&rows, name));
        Ok(Identity {
            id: id.unwrap_or_else(|| self.host().to_owned()),
            server_time: server_time(&response)?,
        })
    }
}

fn value_of(rows: &[Row], name: &str) -> Option<String> {
    let named = |row: &&Row| row::text(row, "name").as_deref() == Some(name);
    let value = row::text(rows.iter().find(named)?, "value")?;
    (!value.trim().is_empty()).then(|| value.trim().to_owned())
}

#[derive(Deserialize)]
struct Properties {
    result: Vec<Row>,
}
