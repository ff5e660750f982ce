package robots_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/robots"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A file and what it answers: paths after a + may be fetched by the crawler,
// those after a - may not.
type answers struct {
	what, file, agent string
	yes, no           []string
}

func list(paths ...string) []string { return paths }

// rfc9309 has the examples of the RFC, by section.
var rfc9309 = []answers{
	{"2.2.1 groups are merged", "user-agent: ExampleBot\ndisallow: /foo\ndisallow: /bar\n\nuser-agent: OtherBot\nallow: /\nuser-agent: ExampleBot\ndisallow: /baz\n",
		"ExampleBot", list("/", "/x"), list("/foo", "/bar", "/baz")},
	{"2.2.1 the own group counts, not that of all", "User-Agent: *\nDisallow: /\nUser-Agent: examplebot\nAllow: /a\nDisallow: /b\n",
		"ExampleBot", list("/a", "/c"), list("/b")},
	{"2.2.1 without a group everything is allowed", "user-agent: OtherBot\ndisallow: /\n", "ExampleBot", list("/"), nil},
	{"2.2.2 what is not ASCII, raw", "user-agent: *\ndisallow: /foo/bar/\u30c4\n", "b", nil, list("/foo/bar/%E3%83%84")},
	{"2.2.2 what is not ASCII, encoded", "user-agent: *\ndisallow: /foo/bar/%E3%83%84\n", "b", nil, list("/foo/bar/%E3%83%84", "/foo/bar/%e3%83%84")},
	{"2.2.2 what need not be encoded", "user-agent: *\ndisallow: /foo/bar/%62%61%7A\n", "b", nil, list("/foo/bar/baz", "/foo/bar/%62az")},
	{"2.2.2 reserved characters in a query", "user-agent: *\ndisallow: /foo/bar?baz=https://foo.bar\n", "b", list("/foo/bar?baz=http"), list("/foo/bar?baz=https%3A%2F%2Ffoo.bar", "/foo/bar?baz=https://foo.bar")},
	{"2.2.3 comment", "user-agent: *\nallow: / # comment in line\n# comment at the end\n", "b", list("/"), nil},
	{"2.2.3 end of the pattern", "user-agent: *\nallow: /this/path/exactly$\ndisallow: /\n", "b", list("/this/path/exactly"), list("/this/path/exactly/not")},
	{"2.2.3 wildcard", "user-agent: *\nallow: /this/*/exactly\ndisallow: /\n", "b", list("/this/path/exactly", "/this/p/q/exactly"), list("/this/exactly")},
	{"2.2.3 a star that is one", "user-agent: *\ndisallow: /path/file-with-a-%2A.html\n", "b", list("/path/file-with-a-x.html"), list("/path/file-with-a-*.html")},
	{"2.2.3 a dollar that is one", "user-agent: *\ndisallow: /path/foo-%24\n", "b", list("/path/foo-"), list("/path/foo-$")},
	{"5.1 foobot", simple, "foobot", list("/example/page.html", "/example/allowed.gif"), list("/", "/example/x.png")},
	{"5.1 barbot", simple, "barbot", nil, list("/example/page.html", "/")},
	{"5.1 bazbot", simple, "bazbot", nil, list("/example/page.html", "/")},
	{"5.1 quxbot", simple, "quxbot", list("/example/page.html", "/"), nil},
	{"5.1 another", simple, "another", list("/publications/", "/x"), list("/a.gif", "/example/x")},
	{"5.2 the longest match", "User-Agent: foobot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n", "foobot", list("/example/page/x"), list("/example/page/disallowed.gif")},
}

const simple = `User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html
Disallow: /

User-Agent: quxbot
`

// google has the cases that the tests of Google's parser cover, in a table of
// our own. We differ in one: as the RFC has it, an encoded letter and the letter
// are the same.
var google = []answers{
	{"no file", "", "FooBot", list("/", "/x/y"), nil},
	{"no agent", "user-agent: FooBot\ndisallow: /\n", "", list("/"), nil},
	{"a line", "user-agent: FooBot\ndisallow: /\n", "FooBot", nil, list("/x/y")},
	{"lines that mean nothing", "foo: FooBot\nbar: /\n", "FooBot", list("/x/y"), nil},
	{"lines without a colon", "user-agent FooBot\ndisallow /\n", "FooBot", nil, list("/x/y")},
	{"groups, first", groups, "FooBot", list("/x/b", "/z/d"), list("/y/c", "/foo/bar/")},
	{"groups, second", groups, "BarBot", list("/y/c", "/w/a"), list("/z/d", "/foo/bar/")},
	{"groups, two agents", groups, "BazBot", list("/z/d"), list("/foo/bar/")},
	{"upper case keys", "USER-AGENT: FooBot\nALLOW: /x/\nDISALLOW: /\n", "FooBot", list("/x/y"), list("/a/b")},
	{"mixed case keys", "uSeR-aGeNt: FooBot\nAlLoW: /x/\ndIsAlLoW: /\n", "FooBot", list("/x/y"), list("/a/b")},
	{"upper case agent", "User-Agent: FOO BAR\nAllow: /x/\nDisallow: /\n", "foo", list("/x/y"), list("/a/b")},
	{"mixed case agent", "User-Agent: FoO bAr\nAllow: /x/\nDisallow: /\n", "Foo", list("/x/y"), list("/a/b")},
	{"agent up to a space", "User-Agent: *\nDisallow: /\nUser-Agent: Foo Bar\nAllow: /x/\nDisallow: /\n", "Foo", list("/x/y"), nil},
	{"agent that no line can name", "User-Agent: *\nDisallow: /\nUser-Agent: Foo Bar\nAllow: /x/\nDisallow: /\n", "Foo Bar", nil, list("/x/y")},
	{"all, but not this one", "user-agent: *\nallow: /\nuser-agent: FooBot\ndisallow: /\n", "FooBot", nil, list("/x/y")},
	{"all", "user-agent: *\nallow: /\nuser-agent: FooBot\ndisallow: /\n", "BarBot", list("/x/y"), nil},
	{"only others", "user-agent: FooBot\nallow: /\nuser-agent: BarBot\ndisallow: /\nuser-agent: BazBot\ndisallow: /\n", "QuxBot", list("/x/y"), nil},
	{"lower case path", "user-agent: FooBot\ndisallow: /x/\n", "FooBot", nil, list("/x/y")},
	{"upper case path", "user-agent: FooBot\ndisallow: /X/\n", "FooBot", list("/x/y"), nil},
	{"a longer Disallow", "user-agent: FooBot\ndisallow: /x/page.html\nallow: /x/\n", "FooBot", nil, list("/x/page.html")},
	{"a longer Allow", "user-agent: FooBot\nallow: /x/page.html\ndisallow: /x/\n", "FooBot", list("/x/page.html"), list("/x/")},
	{"empty rules", "user-agent: FooBot\ndisallow: \nallow: \n", "FooBot", list("/x/page.html"), nil},
	{"a tie", "user-agent: FooBot\ndisallow: /\nallow: /\n", "FooBot", list("/x/page.html"), nil},
	{"a slash more", "user-agent: FooBot\ndisallow: /x\nallow: /x/\n", "FooBot", list("/x/"), list("/x")},
	{"a long tie", "user-agent: FooBot\ndisallow: /x/page.html\nallow: /x/page.html\n", "FooBot", list("/x/page.html"), nil},
	{"a star makes longer", "user-agent: FooBot\nallow: /page\ndisallow: /*.html\n", "FooBot", list("/page"), list("/page.html")},
	{"longer than a star", "user-agent: FooBot\nallow: /x/page.\ndisallow: /*.html\n", "FooBot", list("/x/page.html"), list("/x/y.html")},
	{"own group allows what all's does not", "User-agent: *\nDisallow: /x/\nUser-agent: FooBot\nDisallow: /y/\n", "FooBot", list("/x/page"), list("/y/page")},
	{"a URL in a query", "User-agent: FooBot\nDisallow: /\nAllow: /foo/bar?qux=taz&baz=http://foo.bar?tar&par\n", "FooBot", list("/foo/bar?qux=taz&baz=http://foo.bar?tar&par"), nil},
	{"raw letters of three bytes", "User-agent: FooBot\nDisallow: /\nAllow: /foo/bar/\u30c4\n", "FooBot", list("/foo/bar/%E3%83%84"), nil},
	{"encoded letters of three bytes", "User-agent: FooBot\nDisallow: /\nAllow: /foo/bar/%E3%83%84\n", "FooBot", list("/foo/bar/%E3%83%84"), nil},
	{"encoded ASCII", "User-agent: FooBot\nDisallow: /\nAllow: /foo/bar/%62%61%7A\n", "FooBot", list("/foo/bar/%62%61%7A", "/foo/bar/baz"), nil},
	{"a star within", "User-agent: FooBot\nDisallow: /foo/bar/quz\nAllow: /foo/*/qux\n", "FooBot", list("/foo/quz", "/foo//quz", "/foo/bax/quz"), list("/foo/bar/quz")},
	{"an end", "User-agent: FooBot\nDisallow: /foo/bar$\nAllow: /foo/bar/qux\n", "FooBot", list("/foo/bar/qux", "/foo/bar/", "/foo/bar/baz"), list("/foo/bar")},
	{"comments", "User-agent: FooBot\n# Disallow: /\nDisallow: /foo/quz#qux\nAllow: /\n", "FooBot", list("/foo/bar"), list("/foo/quz")},
	{"index.html is its directory", "User-Agent: *\nAllow: /allowed-slash/index.html\nDisallow: /\n", "foobot", list("/allowed-slash/", "/allowed-slash/index.html"), list("/allowed-slash/index.htm", "/anyother-url")},
	{"/fish", "user-agent: FooBot\ndisallow: /\nallow: /fish\n", "FooBot", fish, notFish},
	{"/fish*", "user-agent: FooBot\ndisallow: /\nallow: /fish*\n", "FooBot", fish, notFish},
	{"/fish/", "user-agent: FooBot\ndisallow: /\nallow: /fish/\n", "FooBot", list("/fish/", "/fish/salmon", "/fish/?salmon", "/fish/salmon.html", "/fish/?id=anything"), list("/bar", "/fish", "/fish.html", "/Fish/Salmon.html")},
	{"/*.php", "user-agent: FooBot\ndisallow: /\nallow: /*.php\n", "FooBot",
		list("/filename.php", "/folder/filename.php", "/folder/filename.php?parameters", "//folder/any.php.file.html", "/filename.php/", "/index?f=filename.php/"),
		list("/bar", "/php/", "/index?php", "/windows.PHP")},
	{"/*.php$", "user-agent: FooBot\ndisallow: /\nallow: /*.php$\n", "FooBot", list("/filename.php", "/folder/filename.php"),
		list("/bar", "/filename.php?parameters", "/filename.php/", "/filename.php5", "/php/", "/filename?php", "/aaaphpaaa", "//windows.PHP")},
	{"/fish*.php", "user-agent: FooBot\ndisallow: /\nallow: /fish*.php\n", "FooBot", list("/fish.php", "/fishheads/catfish.php?parameters"), list("/bar", "/Fish.PHP")},
	{"precedence, longer", "user-agent: FooBot\nallow: /p\ndisallow: /\n", "FooBot", list("/page"), nil},
	{"precedence, tie", "user-agent: FooBot\nallow: /folder\ndisallow: /folder\n", "FooBot", list("/folder/page"), nil},
	{"precedence, wildcard", "user-agent: FooBot\nallow: /page\ndisallow: /*.htm\n", "FooBot", nil, list("/page.htm")},
	{"precedence, root only", "user-agent: FooBot\nallow: /$\ndisallow: /\n", "FooBot", list("/"), list("/page.html")},
	{"carriage returns", "User-Agent: foo\rAllow: /some/path\rUser-Agent: bar\r\rDisallow: /\r", "bar", nil, list("/x")},
	{"both line ends", "User-Agent: foo\nAllow: /some/path\r\nUser-Agent: bar\n\r\n\nDisallow: /", "bar", nil, list("/x")},
	{"byte order mark", "\xef\xbb\xbfUser-Agent: foo\nDisallow: /a\n", "foo", nil, list("/a")},
	{"two bytes of one", "\xef\xbbUser-Agent: foo\nDisallow: /a\n", "foo", nil, list("/a")},
	{"one byte of one", "\xefUser-Agent: foo\nDisallow: /a\n", "foo", nil, list("/a")},
	{"a broken one", "\xef\x11\xbfUser-Agent: foo\nDisallow: /a\n", "foo", list("/a"), nil},
	{"one in the middle", "User-Agent: foo\n\xef\xbb\xbfDisallow: /a\n", "foo", list("/a"), nil},
}

const groups = "allow: /foo/bar/\n\nuser-agent: FooBot\ndisallow: /\nallow: /x/\nuser-agent: BarBot\ndisallow: /\nallow: /y/\n\n\nallow: /w/\nuser-agent: BazBot\n\nuser-agent: FooBot\nallow: /z/\ndisallow: /\n"

var (
	fish    = list("/fish", "/fish.html", "/fish/salmon.html", "/fishheads", "/fishheads/yummy.html", "/fish.html?id=anything")
	notFish = list("/bar", "/Fish.asp", "/catfish", "/?id=fish")
)

// others are what parsers get wrong.
var others = []answers{
	{"a dollar in the middle is one", "user-agent: *\ndisallow: /a$b\n", "x", list("/a", "/ab"), list("/a$b", "/a$bc", "/a%24b")},
	{"stars before the end", "user-agent: *\ndisallow: /a*b*c$\n", "x", list("/abcd", "/acb"), list("/abc", "/abcabc", "/axbxc")},
	{"parts do not overlap", "user-agent: *\ndisallow: /aba*aba$\n", "x", list("/aba", "/ababa"), list("/abaaba", "/aba.aba")},
	{"many stars", "user-agent: *\ndisallow: /" + strings.Repeat("*a", 200) + "$\n", "x", list("/" + strings.Repeat("a", 199)), list("/" + strings.Repeat("a", 5000))},
	{"only a star", "user-agent: *\ndisallow: *\n", "x", nil, list("/", "/a")},
	{"spaces around everything", " user-agent :  *  \n\tdisallow :\t/a \n", "x", list("/b"), list("/a")},
	{"a bad delay is no rule", "user-agent: *\ncrawl-delay: soon\ndisallow: /a\n", "x", list("/b"), list("/a")},
	{"a slash that is encoded is another path", "user-agent: *\ndisallow: /a/b\n", "x", list("/a%2Fb"), list("/a/b")},
	{"an encoded URL in a query after a star", "user-agent: *\ndisallow: /*?*=http://\n", "x", nil, list("/a?u=http%3a%2f%2fx")},
}

func TestFilesAllowWhatTheySay(t *testing.T) {
	for source, table := range map[string][]answers{"RFC 9309": rfc9309, "Google": google, "others": others} {
		for _, a := range table {
			t.Run(source+"/"+a.what, func(t *testing.T) {
				r := robots.Parse([]byte(a.file), a.agent)
				for _, path := range a.yes {
					if !r.Allowed(path) {
						t.Errorf("%s is not allowed", path)
					}
				}
				for _, path := range a.no {
					if r.Allowed(path) {
						t.Errorf("%s is allowed", path)
					}
				}
			})
		}
	}
}

func TestALongLineIsCutOff(t *testing.T) {
	long := "/x/" + strings.Repeat("a", 2083*8-3-len("disallow: ")+1-3)
	r := robots.Parse([]byte("user-agent: FooBot\ndisallow: "+long+"/qux\n"), "FooBot")
	if !r.Allowed("/fux") || r.Allowed(long+"/fux") {
		t.Error("the rule was dropped, or is about everything")
	}
}

func TestOnlyTheFirst500KiBCount(t *testing.T) {
	file := "user-agent: *\ndisallow: /a\n" + strings.Repeat("#\n", robots.MaxSize/2) + "disallow: /b\n"
	if r := robots.Parse([]byte(file), "x"); r.Allowed("/a") || !r.Allowed("/b") {
		t.Error("the bound is not where it should be")
	}
}

func TestDelays(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"3": 3 * time.Second, "0.5": 500 * time.Millisecond, "1e99": 10 * time.Minute, "86400": 10 * time.Minute,
		"-1": 0, "NaN": 0, "soon": 0, "": 0, "1 2": 0,
	} {
		if got := robots.Parse(fmt.Appendf(nil, "user-agent: *\ncrawl-delay: %s\ndisallow: /a", text), "x").Delay; got != want {
			t.Errorf("Crawl-delay: %s is %v, want %v", text, got, want)
		}
	}
	if got := robots.Parse([]byte("user-agent: *\ncrawl-delay: 9\nuser-agent: x\ndisallow: /a"), "x").Delay; got != 9*time.Second {
		t.Errorf("a delay does not end the agents of a group: %v", got)
	}
	if got := robots.Parse([]byte("user-agent: *\ncrawl-delay: 9\ndisallow: /b\nuser-agent: x\ndisallow: /a"), "x").Delay; got != 0 {
		t.Errorf("the delay of all is %v for one with a group of its own", got)
	}
}

func TestSitemapsAreOfNoGroup(t *testing.T) {
	r := robots.Parse([]byte("Sitemap: http://a/1.xml\nuser-agent: other\nsitemap: /2.xml\ndisallow: /\nSITEMAP:http://b/3.xml.gz#x\n"), "x")
	if want := list("http://a/1.xml", "/2.xml", "http://b/3.xml.gz"); !slices.Equal(r.Sitemaps, want) {
		t.Errorf("%q", r.Sitemaps)
	}
}

func TestTokens(t *testing.T) {
	for agent, want := range map[string]string{"asyncio-crawl/1": "asyncio-crawl", "Mozilla/5.0 (X)": "Mozilla", "": "", "a_b c": "a_b", "1": "", "\u30c4": ""} {
		if got := robots.Token(agent); got != want {
			t.Errorf("%q: %q", agent, got)
		}
	}
	if robots.DisallowAll().Allowed("/") || !(*robots.Rules)(nil).Allowed("/") {
		t.Error("the rules without a file are wrong")
	}
}

func FuzzRulesDoNotDependOnTheFormOfThePath(f *testing.F) {
	f.Add("user-agent: *\ndisallow: /a*%41$\nallow: /x", "/a/%62?c=%3A")
	f.Add(simple, "/a.gif")
	f.Fuzz(func(t *testing.T, file, path string) {
		r := robots.Parse([]byte(file), "x")
		got := r.Allowed(path)
		var all strings.Builder // with every letter encoded
		for _, c := range []byte(path) {
			if c|0x20 >= 'a' && c|0x20 <= 'z' && !strings.Contains(path, "%") {
				fmt.Fprintf(&all, "%%%02x", c)
			} else {
				all.WriteByte(c)
			}
		}
		if other := r.Allowed(all.String()); other != got {
			t.Errorf("%q: %v, %q: %v", path, got, all.String(), other)
		}
	})
}
