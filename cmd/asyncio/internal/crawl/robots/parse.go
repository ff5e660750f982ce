package robots

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// parser reads a file line by line.
type parser struct {
	token string

	own, all     group         // for the token, and for "*"
	inOwn, inAll bool          // the lines that come belong to the group
	groupDelay   time.Duration // of the group that is being read
	afterRules   bool          // the next User-agent begins another group
	sitemaps     []string
}

// maxLine is where a line is cut off.
const maxLine = 2083*8 - 1

// maxSitemaps bounds how many sitemaps a file may name.
const maxSitemaps = 1000

func (p *parser) line(line string) {
	if len(line) > maxLine {
		line = line[:maxLine]
	}
	line, _, _ = strings.Cut(line, "#")
	key, value, ok := splitLine(strings.Trim(line, " \t"))
	if !ok {
		return
	}
	switch strings.ToLower(key) {
	case "user-agent", "useragent", "user agent":
		p.agent(value)
	case "allow":
		p.rule(true, value)
	case "disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw":
		p.rule(false, value)
	case "crawl-delay":
		p.delay(value)
	case "sitemap", "site-map":
		if value != "" && len(p.sitemaps) < maxSitemaps {
			p.sitemaps = append(p.sitemaps, value)
		}
	}
}

// splitLine splits a line at its colon, or, where it has none, between its two
// words.
func splitLine(line string) (key, value string, ok bool) {
	if key, value, ok = strings.Cut(line, ":"); ok {
		return strings.Trim(key, " \t"), strings.Trim(value, " \t"), true
	}
	words := strings.Fields(line)
	if len(words) != 2 {
		return "", "", false
	}
	return words[0], words[1], true
}

func (p *parser) agent(value string) {
	if p.afterRules {
		p.inOwn, p.inAll, p.afterRules, p.groupDelay = false, false, false, 0
	}
	switch {
	case value == "*" || strings.HasPrefix(value, "* ") || strings.HasPrefix(value, "*\t"):
		p.inAll = true
	case p.token != "" && strings.EqualFold(Token(value), p.token):
		p.inOwn, p.own.named = true, true
	}
	p.delayed()
}

func (p *parser) rule(allow bool, pattern string) {
	p.afterRules = true
	if p.inOwn {
		p.own.add(allow, pattern)
	}
	if p.inAll {
		p.all.add(allow, pattern)
	}
}

// maxDelay is the longest pause that a file can ask for: a crawl must end.
const maxDelay = 10 * time.Minute

// delay reads a number of seconds, which may have a fraction. What is not a
// number, or negative, is passed over.
func (p *parser) delay(value string) {
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(f) || f < 0 {
		return
	}
	p.groupDelay = max(p.groupDelay, time.Duration(min(f, maxDelay.Seconds())*float64(time.Second)))
	p.delayed()
}

// delayed gives the group's delay to its crawlers, also to those that are named
// after it.
func (p *parser) delayed() {
	if p.inOwn {
		p.own.delay = max(p.own.delay, p.groupDelay)
	}
	if p.inAll {
		p.all.delay = max(p.all.delay, p.groupDelay)
	}
}

// rules returns what was read, for the crawler: its own group, or else that of
// all.
func (p *parser) rules() *Rules {
	g := &p.all
	if p.own.named {
		g = &p.own
	}
	r := &Rules{rules: g.rules, Delay: g.delay, Sitemaps: p.sitemaps}
	r.sort()
	return r
}
