//! `X-Total-Count` and `Link`.

use http::Uri;
use url::form_urlencoded;

/// Where a page lies in its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    /// Rows that match, before access rules hide any.
    pub(super) total: usize,
    pub(super) limit: usize,
    pub(super) offset: usize,
}

impl Page {
    /// The `Link` header: the request's own address with the offset rewritten, on the instance's host whatever host
    /// the client used. None where everything fits one page; without a count there is no `last`.
    pub(super) fn links(&self, instance_url: &str, uri: &Uri, no_count: bool) -> Option<String> {
        if self.limit == 0 || (self.offset == 0 && self.total <= self.limit) {
            return None;
        }
        let link = |relation: &str, offset: usize| {
            format!(
                "<{instance_url}{}>;rel=\"{relation}\"",
                rewritten(uri, self.limit, offset)
            )
        };
        let mut links = vec![link("first", 0)];
        if self.offset > 0 {
            links.push(link("prev", self.offset.saturating_sub(self.limit)));
        }
        if self.offset + self.limit < self.total {
            links.push(link("next", self.offset + self.limit));
        }
        if !no_count && self.total > 0 {
            links.push(link("last", (self.total - 1) / self.limit * self.limit));
        }
        Some(links.join(","))
    }
}

fn rewritten(uri: &Uri, limit: usize, offset: usize) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if name != "sysparm_limit" && name != "sysparm_offset" {
            query.append_pair(&name, &value);
        }
    }
    query.append_pair("sysparm_limit", &limit.to_string());
    query.append_pair("sysparm_offset", &offset.to_string());
    format!("{}?{}", uri.path(), query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relations(page: Page, no_count: bool) -> Vec<String> {
        let uri = "/api/now/table/incident?sysparm_query=a%3D1&sysparm_limit=2"
            .parse()
            .unwrap();
        let links = page
            .links("https://i.example", &uri, no_count)
            .unwrap_or_default();
        links
            .split(',')
            .filter_map(|link| Some(link.split("rel=\"").nth(1)?.trim_matches('"').to_owned()))
            .collect()
    }

    #[test]
    fn relations_are_there_only_where_they_lead_somewhere() {
        assert_eq!(
            relations(
                Page {
                    total: 5,
                    limit: 2,
                    offset: 0
                },
                false
            ),
            ["first", "next", "last"]
        );
        assert_eq!(
            relations(
                Page {
                    total: 5,
                    limit: 2,
                    offset: 2
                },
                false
            ),
            ["first", "prev", "next", "last"]
        );
        assert_eq!(
            relations(
                Page {
                    total: 5,
                    limit: 2,
                    offset: 4
                },
                false
            ),
            ["first", "prev", "last"]
        );
        assert_eq!(
            relations(
                Page {
                    total: 5,
                    limit: 2,
                    offset: 0
                },
                true
            ),
            ["first", "next"]
        );
        assert_eq!(
            relations(
                Page {
                    total: 2,
                    limit: 2,
                    offset: 0
                },
                false
            ),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_full_last_page_has_no_next() {
        let last = Page {
            total: 4,
            limit: 2,
            offset: 2,
        };
        assert_eq!(relations(last, false), ["first", "prev", "last"]);
    }

    #[test]
    fn links_keep_the_query_and_lead_to_the_instance() {
        let uri = "/api/now/table/incident?sysparm_query=a%3D1&sysparm_limit=2"
            .parse()
            .unwrap();
        let links = Page {
            total: 3,
            limit: 2,
            offset: 0,
        }
        .links("https://i.example", &uri, false)
        .unwrap();
        let next =
            "<https://i.example/api/now/table/incident?sysparm_query=a%3D1&sysparm_limit=2&sysparm_offset=2>";
        assert!(links.contains(next), "{links}");
    }
}
