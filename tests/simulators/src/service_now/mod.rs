//! ServiceNow's Table API as a pure model.
