package crawl

import (
	"path"
	"strings"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/frontier"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
)

// scope decides which URLs belong to the crawl. It belongs to the ledger.
type scope struct {
	opts      *Options
	hosts     map[string]bool // of roots
	parents   []urls.URL      // the directories of roots
	perHost   map[string]int  // URLs that were taken
	calendars map[string]int

	// refused counts the URLs that were not taken, by reason.
	refused map[string]int
}

// maxCalendar is how many pages of one calendar are taken: of days, some years.
const maxCalendar = 1000

// maxCalendars bounds how many calendars are counted. Beyond it they share.
const maxCalendars = 10_000

func newScope(o *Options) *scope {
	return &scope{opts: o, hosts: map[string]bool{}, perHost: map[string]int{}, calendars: map[string]int{}, refused: map[string]int{}}
}

// addRoot makes a URL and its host part of the crawl.
func (s *scope) addRoot(u urls.URL) {
	host := u.Hostname()
	s.hosts[host] = true
	if bare, ok := strings.CutPrefix(host, "www."); ok {
		s.hosts[bare] = true
	} else {
		s.hosts["www."+host] = true
	}
	p := u.Path()
	u.Target = p[:strings.LastIndexByte(p, '/')+1]
	s.parents = append(s.parents, u)
}

// admits reports whether a URL that was found is to be fetched. It counts those
// that are, so it must be asked once about each.
func (s *scope) admits(u urls.URL, kind frontier.Kind, depth int) bool {
	why := s.why(u, kind, depth)
	if why == "" && !s.count(u) {
		why = "trap: calendar"
	}
	if why == "" {
		return true
	}
	s.refused[why]++
	return false
}

// why returns the reason why a URL is not taken.
func (s *scope) why(u urls.URL, kind frontier.Kind, depth int) string {
	o := s.opts
	switch {
	case !s.inDomain(u.Hostname()):
		return "host"
	case kind == frontier.Page && o.Level > 0 && depth > o.Level:
		return "level"
	case kind == frontier.Page && o.NoParent && !s.belowRoot(u):
		return "parent"
	case kind != frontier.Sitemap && !s.matches(u):
		return "regex"
	case kind != frontier.Sitemap && !s.wanted(u) && !mayBePage(u):
		return "name"
	case o.MaxPagesHost > 0 && s.perHost[u.Host] >= o.MaxPagesHost:
		return "pages of a host"
	}
	if trap := u.Trap(); trap != "" {
		return "trap: " + trap
	}
	return ""
}

// count counts a URL that is taken. It reports whether there is room for it in
// its calendar, if it is of one.
func (s *scope) count(u urls.URL) bool {
	if c := u.Calendar(); c != "" {
		if len(s.calendars) >= maxCalendars && s.calendars[c] == 0 {
			c = ""
		}
		if s.calendars[c] == maxCalendar {
			return false
		}
		s.calendars[c]++
	}
	s.perHost[u.Host]++
	return true
}

// matches reports whether the regular expressions admit a URL.
func (s *scope) matches(u urls.URL) bool {
	accept, reject := s.opts.AcceptRegexp, s.opts.RejectRegexp
	if accept == nil && reject == nil {
		return true
	}
	text := u.String()
	return (accept == nil || accept.MatchString(text)) && (reject == nil || !reject.MatchString(text))
}

func (s *scope) inDomain(host string) bool {
	if s.hosts[host] && len(s.opts.Domains) == 0 {
		return true
	}
	for _, d := range s.opts.Domains {
		if host == d || strings.HasSuffix(host, "."+d) {
			return true
		}
	}
	return false
}

func (s *scope) belowRoot(u urls.URL) bool {
	for _, p := range s.parents {
		if p.Host == u.Host && strings.HasPrefix(u.Target, p.Target) {
			return true
		}
	}
	return false
}

// wanted reports whether what a URL holds is to be saved, by its name.
func (s *scope) wanted(u urls.URL) bool {
	name := path.Base(u.Path())
	return (len(s.opts.Accept) == 0 || matchesAny(s.opts.Accept, name)) && !matchesAny(s.opts.Reject, name)
}

// matchesAny reports whether a name has one of the suffixes, or matches one of
// the patterns, as in wget.
func matchesAny(list []string, name string) bool {
	for _, p := range list {
		if strings.ContainsAny(p, "*?[]") {
			if ok, _ := path.Match(p, name); ok {
				return true
			}
		} else if strings.HasSuffix(name, p) {
			return true
		}
	}
	return false
}

// mayBePage reports whether a URL may hold a page, by its name: then it is
// fetched for its links, even if it is not to be saved.
func mayBePage(u urls.URL) bool {
	switch path.Ext(u.Path()) {
	case "", ".html", ".htm", ".xhtml", ".php", ".asp", ".aspx", ".jsp", ".cgi", ".shtml":
		return true
	}
	return false
}
