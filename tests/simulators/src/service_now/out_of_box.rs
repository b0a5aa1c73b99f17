//! The rows that a fresh instance with demo data has, as far as the upstream test suites of clients count on them.
//!
//! Opt-in, so that small test worlds stay small. The well-known `sys_id`s and names are those of the vendor's own demo
//! data as `PySNC`'s upstream suite names them; how many rows there are is what that suite asks for; the rest is made up.

use jiff::Timestamp;
use std::collections::BTreeMap;

use super::ServiceNow;
use super::clock;
use super::schema::{Column, Table};
use super::store::{Reading, Values};

/// "System Administrator".
const ADMIN: &str = "6816f79cc0a8016401c5a33be04be441";
/// "Problem Administrator".
const PROBLEM_ADMIN: &str = "26fbff173b331300ad3cc9bb34efc4bd";
/// The department "Finance" and its head.
const FINANCE: &str = "a581ab703710200044e0bfc8bcbe5de8";
const FINANCE_HEAD: &str = "46c5bf6ca9fe1981010713e3ac7d3384";
/// The role `admin`.
const ADMIN_ROLE: &str = "2831a114c611228501d4ea6c309d626d";

const FIRST_NAMES: [&str; 10] = [
    "Abel", "Beth", "Carlos", "Dana", "Erik", "Fatima", "Gus", "Hana", "Ivo", "Joyce",
];
const LAST_NAMES: [&str; 12] = [
    "Anglin", "Boyer", "Canto", "Dunlap", "Eckert", "Falkner", "Grella", "Hodges", "Ibarra", "Jensen",
    "Kolar", "Lang",
];
const GROUPS: [&str; 8] = [
    "Database",
    "Hardware",
    "Incident Management",
    "Network",
    "Openspace",
    "Problem Solving",
    "Service Desk",
    "Software",
];

impl ServiceNow {
    /// Fills the instance with out-of-the-box data: users with departments, roles and groups, problems, log entries
    /// and application files. `admin` keeps its password if it has one and is given `password` if not; the instance's
    /// time zone becomes that of a developer instance. `now` is the newest stamp of any row.
    pub fn load_out_of_box_data(&mut self, password: &str, now: Timestamp) {
        self.define_out_of_box_tables();
        self.set_property("glide.sys.default.tz", "America/Los_Angeles");
        let mut loading = Loading {
            instance: self,
            newest: now,
            loaded: 0,
        };
        loading.people(password);
        loading.roles_and_groups();
        loading.work();
        loading.platform();
    }

    fn define_out_of_box_tables(&mut self) {
        self.define_table(Table::base("cmn_department", "Department").columns([
            Column::string("name", 100).display(),
            Column::string("id", 40),
            Column::string("description", 1000),
            Column::reference("dept_head", "sys_user").label("Department head"),
        ]));
        for column in [
            Column::string("mobile_phone", 40),
            Column::string("phone", 40).label("Business phone"),
            Column::string("title", 60),
            Column::reference("department", "cmn_department"),
        ] {
            self.define_column("sys_user", column);
        }
        self.define_column("sys_user_group", Column::reference("manager", "sys_user"));
        self.define_table(Table::base("sys_user_role", "Role").columns([
            Column::string("name", 100).display(),
            Column::string("description", 1000),
        ]));
        self.define_table(Table::base("sys_user_has_role", "User Role").columns([
            Column::reference("user", "sys_user"),
            Column::reference("role", "sys_user_role"),
            Column::boolean("inherited"),
            Column::string("state", 40).default_value("active"),
        ]));
        self.define_table(Table::base("sys_group_has_role", "Group Role").columns([
            Column::reference("group", "sys_user_group"),
            Column::reference("role", "sys_user_role"),
            Column::boolean("inherits").default_value("true"),
        ]));
        self.define_table(Table::base("syslog", "Log Entry").columns([
            Column::string("level", 40),
            Column::string("message", 4000),
            Column::string("source", 255),
        ]));
        self.define_table(
            Table::extending("sys_metadata", "sys_script_include", "Script Include").columns([
                Column::string("name", 100).display(),
                Column::string("script", 65_000),
                Column::boolean("active").default_value("true"),
            ]),
        );
        self.define_table(Table::base("alm_asset", "Asset").columns([
            Column::string("display_name", 255).display(),
            Column::string("asset_tag", 40),
            Column::string("serial_number", 40),
            Column::reference("assigned_to", "sys_user"),
        ]));
        self.define_table(
            Table::base("bsm_chart", "BSM Map")
                .columns([Column::string("name", 100).display(), Column::string("ci", 32)]),
        );
    }
}

/// Rows on their way in; each a little older than the one before.
struct Loading<'a> {
    instance: &'a mut ServiceNow,
    newest: Timestamp,
    loaded: i64,
}

impl Loading<'_> {
    /// Puts a row there and returns its `sys_id`.
    fn put(&mut self, table: &str, fields: &[(&str, &str)]) -> String {
        let instance = &mut *self.instance;
        let at = clock::later(self.newest, -300 * (self.loaded + 1));
        self.loaded += 1;
        let stamp = clock::stamp(at);
        let mut row: Values = BTreeMap::new();
        for (name, column) in instance.schema.columns(table) {
            row.insert(name.to_owned(), column.default_value.clone());
        }
        let sys_id = instance.ids.next();
        let common = [
            ("sys_id", sys_id.as_str()),
            ("sys_created_on", stamp.as_str()),
            ("sys_created_by", "admin"),
            ("sys_updated_on", stamp.as_str()),
            ("sys_updated_by", "admin"),
            ("sys_mod_count", "0"),
        ];
        for (name, value) in common.iter().chain(fields) {
            row.insert((*name).to_owned(), (*value).to_owned());
        }
        if instance.schema.column(table, "sys_class_name").is_some() {
            row.insert("sys_class_name".to_owned(), table.to_owned());
        }
        let sys_id = row.get("sys_id").cloned().unwrap_or_default();
        instance
            .store
            .put(table, &sys_id, Some(row), Timestamp::MIN, Timestamp::MIN);
        sys_id
    }

    fn user(&mut self, sys_id: Option<&str>, user_name: &str, name: &str, more: &[(&str, &str)]) -> String {
        let (first, last) = name.split_once(' ').unwrap_or((name, ""));
        let email = format!("{user_name}@example.com");
        let mut fields = vec![
            ("user_name", user_name),
            ("name", name),
            ("first_name", first),
            ("last_name", last),
            ("email", email.as_str()),
        ];
        fields.extend(sys_id.map(|sys_id| ("sys_id", sys_id)));
        fields.extend_from_slice(more);
        self.put("sys_user", &fields)
    }

    fn people(&mut self, password: &str) {
        let known = self.instance.user("admin").cloned();
        let known_password = known.as_ref().and_then(|row| row.get("user_password")).cloned();
        if let Some(sys_id) = known.as_ref().and_then(|row| row.get("sys_id")) {
            // The account of the test world becomes the well-known one.
            self.instance
                .store
                .put("sys_user", sys_id, None, Timestamp::MIN, Timestamp::MIN);
        }
        let password = known_password
            .filter(|known| !known.is_empty())
            .unwrap_or_else(|| password.to_owned());
        self.user(
            Some(ADMIN),
            "admin",
            "System Administrator",
            &[
                ("user_password", &password),
                ("department", FINANCE),
                ("title", "System Administrator"),
            ],
        );
        self.instance
            .roles
            .insert("admin".to_owned(), ["admin".to_owned()].into());
        self.user(Some(PROBLEM_ADMIN), "problem.admin", "Problem Administrator", &[]);
        self.user(
            Some(FINANCE_HEAD),
            "natasha.ingram",
            "Natasha Ingram",
            &[("department", FINANCE)],
        );
        self.put(
            "cmn_department",
            &[
                ("sys_id", FINANCE),
                ("name", "Finance"),
                ("id", "0002"),
                ("dept_head", FINANCE_HEAD),
            ],
        );
        for (at, last) in LAST_NAMES.iter().enumerate() {
            for first in FIRST_NAMES {
                let user_name = format!("{first}.{last}").to_lowercase();
                let mobile = format!("+1 858 555 01{at:02}");
                let more: &[(&str, &str)] = if first == "Abel" {
                    &[("mobile_phone", &mobile)]
                } else {
                    &[]
                };
                self.user(None, &user_name, &format!("{first} {last}"), more);
            }
        }
        for guest in ["soap.guest", "guest", "sharedservice.worker"] {
            self.user(None, guest, "", &[]);
        }
    }

    fn users(&self) -> Vec<String> {
        let users = self.instance.store.rows_of_class("sys_user", Reading::NEWEST);
        users.filter_map(|row| row.get("sys_id").cloned()).collect()
    }

    fn roles_and_groups(&mut self) {
        self.put("sys_user_role", &[("sys_id", ADMIN_ROLE), ("name", "admin")]);
        let itil = self.put("sys_user_role", &[("name", "itil")]);
        let problem_admin = self.put("sys_user_role", &[("name", "problem_admin")]);
        let catalog_admin = self.put("sys_user_role", &[("name", "catalog_admin")]);
        let users = self.users();
        let others = users
            .iter()
            .filter(|user| *user != ADMIN)
            .take(14)
            .map(String::as_str);
        for user in others.chain([ADMIN]) {
            self.put("sys_user_has_role", &[("user", user), ("role", ADMIN_ROLE)]);
        }
        for (at, name) in GROUPS.iter().enumerate() {
            let manager = users.get(at * 7 % users.len()).map_or(ADMIN, String::as_str);
            let group = self.put("sys_user_group", &[("name", name), ("manager", manager)]);
            let role = match at {
                0 | 2 => &problem_admin,
                1 | 3 => &catalog_admin,
                _ => &itil,
            };
            self.put("sys_group_has_role", &[("group", &group), ("role", role)]);
        }
    }

    fn work(&mut self) {
        let users = self.users();
        for at in 0..25 {
            let opened_by = users.get(at * 3 % users.len()).cloned().unwrap_or_default();
            let number = format!("PRB00000{at:02}");
            let text = format!("Recurring failure of service {at}");
            let state = if at % 2 == 0 { "1" } else { "2" };
            let fields = [
                ("number", number.as_str()),
                ("short_description", text.as_str()),
                ("state", state),
                ("opened_by", opened_by.as_str()),
                ("sys_domain", "global"),
            ];
            self.put("problem", &fields);
        }
    }

    fn platform(&mut self) {
        for at in 0..700 {
            let message = format!("Scheduled job {at} finished");
            self.put(
                "syslog",
                &[("level", "0"), ("source", "Scheduler"), ("message", &message)],
            );
        }
        for at in 0..560 {
            let name = format!("ScriptInclude{at:03}");
            self.put("sys_script_include", &[("name", &name), ("sys_name", &name)]);
        }
    }
}
