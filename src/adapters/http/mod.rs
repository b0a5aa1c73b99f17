//! The one HTTP stack beneath every call to a service.
