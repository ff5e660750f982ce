package fetch_test

import (
	"bytes"
	"errors"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

func TestSecondsMayHaveAFraction(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "2.5": 2500 * time.Millisecond, "1e3": 1000 * time.Second} {
		if got, err := fetch.ParseSeconds(text); got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "x", "1e30", "nan", "inf"} {
		if got, err := fetch.ParseSeconds(text); err == nil {
			t.Errorf("%q gave %v", text, got)
		}
	}
}

func TestSizesHaveSuffixes(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "17": 17, "2k": 2048, "3M": 3 << 20, "1G": 1 << 30, "1t": 1 << 40} {
		if got, err := fetch.ParseSize(text); got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "k", "-1", "1x", "9999999P"} {
		if got, err := fetch.ParseSize(text); err == nil {
			t.Errorf("%q gave %v", text, got)
		}
	}
}

func TestHeadersAreReadAsCurlReadsThem(t *testing.T) {
	for text, want := range map[string]fetch.Header{
		"A: b":    {Name: "A", Value: "b"},
		"A:b: c ": {Name: "A", Value: "b: c"},
		"A:":      {Name: "A", Remove: true},
		"A;":      {Name: "A"},
	} {
		if got, err := fetch.ParseHeader(text); got != want || err != nil {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "A", ": b", "A b: c", "A: b\r\nC: d", "A; b"} {
		if got, err := fetch.ParseHeader(text); err == nil {
			t.Errorf("%q gave %+v", text, got)
		}
	}
}

func TestResolveRules(t *testing.T) {
	r, err := fetch.ParseResolve("+Example.org:443:127.0.0.1,[::1]")
	if err != nil || r.Host != "example.org" || r.Port != 443 || len(r.Addrs) != 2 {
		t.Fatal(r, err)
	}
	if r, err = fetch.ParseResolve("[::2]:80:::1"); err != nil || r.Host != "::2" || r.Addrs[0].String() != "::1" {
		t.Fatal(r, err)
	}
	for _, text := range []string{"", "a", "a:1", "a:x:1.2.3.4", "a:0:1.2.3.4", ":1:1.2.3.4", "a:1:b", "a:1:", "[::1:1:1.2.3.4"} {
		if r, err := fetch.ParseResolve(text); err == nil {
			t.Errorf("%q gave %+v", text, r)
		}
	}
}

func TestDataIsJoinedAndFilesLoseTheirLineEnds(t *testing.T) {
	read := func(name string) ([]byte, error) {
		if name != "f" {
			return nil, errors.New("no such file")
		}
		return []byte("x=1\r\ny=2\n\x00"), nil
	}
	if got, err := fetch.FormBody([]string{"a=b", "@f", "c"}, read); string(got) != "a=b&x=1y=2&c" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	if _, err := fetch.FormBody([]string{"@g"}, read); err == nil {
		t.Fatal("no error")
	}
}

func TestURLsThatCannotBeFetchedSayWhy(t *testing.T) {
	for raw, code := range map[string]fetch.Code{
		"http://":              fetch.BadURL,
		"":                     fetch.BadURL,
		"http://a b/":          fetch.BadURL,
		"http://a/b c":         fetch.BadURL,
		"http://a/?q=b c":      fetch.BadURL,
		"http://a:99999/":      fetch.BadURL,
		"http://[::1/":         fetch.BadURL,
		"http://a/\x01":        fetch.BadURL,
		"ftp://a/":             fetch.UnsupportedProtocol,
		"file:///etc/passwd":   fetch.UnsupportedProtocol,
		"javascript://alert()": fetch.UnsupportedProtocol,
	} {
		_, err := fetch.ParseURL(raw)
		var e *fetch.Error
		if !errors.As(err, &e) || e.Code != code {
			t.Errorf("%q: %v, want (%d)", raw, err, code)
		}
	}
	for raw, want := range map[string]string{
		"example.org":             "http://example.org",
		"HTTP://a/x/../b/./c?d=e": "http://a/b/c?d=e",
		"https://[::1]:8/%41":     "https://[::1]:8/%41",
	} {
		if u, err := fetch.ParseURL(raw); err != nil || u.String() != want {
			t.Errorf("%q: %v, %v", raw, u, err)
		}
	}
}

func TestListsOfURLs(t *testing.T) {
	list := []byte("\xef\xbb\xbfhttp://a/\r\n\n# no\n  http://b/ \n\t#http://c/\nhttp://d/")
	want := []string{"http://a/", "http://b/", "http://d/"}
	for cut := range len(list) {
		if got, err := fetch.Lines(list[:cut], list[cut:]); !slices.Equal(got, want) || err != nil {
			t.Fatalf("cut at %d: %q, %v", cut, got, err)
		}
	}
	long := bytes.Repeat([]byte("x"), 40<<10)
	if _, err := fetch.Lines(long, long); err == nil {
		t.Fatal("a line without an end is taken")
	}
}

func FuzzLinesDoNotDependOnBlocks(f *testing.F) {
	f.Add([]byte("http://a/\n#x\r\n\nb"), 3)
	f.Add([]byte("\xef\xbb\xbf\n"), 1)
	f.Fuzz(func(t *testing.T, list []byte, cut int) {
		if cut < 0 || cut > len(list) {
			cut = len(list) / 2
		}
		whole, err1 := fetch.Lines(list)
		parts, err2 := fetch.Lines(list[:cut], list[cut:])
		if !slices.Equal(whole, parts) || (err1 == nil) != (err2 == nil) {
			t.Fatalf("%q, %v; %q, %v", whole, err1, parts, err2)
		}
		for _, line := range whole {
			if u, err := fetch.ParseURL(line); err == nil && u.Hostname() == "" {
				t.Fatalf("%q has no host", line)
			}
		}
	})
}

func TestProxyIsChosenAsCurlDoes(t *testing.T) {
	str := func(s string) *string { return &s }
	for _, c := range []struct {
		url    string
		option *string
		env    map[string]string
		want   string
	}{
		{"http://a/", nil, nil, ""},
		{"http://a/", nil, map[string]string{"http_proxy": "p:3128"}, "http://p:3128"},
		{"http://a/", nil, map[string]string{"HTTP_PROXY": "p:3128"}, ""},
		{"https://a/", nil, map[string]string{"HTTPS_PROXY": "http://p:1"}, "http://p:1"},
		{"https://a/", nil, map[string]string{"all_proxy": "socks5h://p"}, "socks5h://p:1080"},
		{"http://127.0.0.1/", nil, map[string]string{"http_proxy": "p:1"}, "http://p:1"},
		{"http://x.a.org/", nil, map[string]string{"http_proxy": "p:1", "no_proxy": "b.org, .a.org"}, ""},
		{"http://xa.org/", nil, map[string]string{"http_proxy": "p:1", "no_proxy": "a.org"}, "http://p:1"},
		{"http://10.1.2.3/", str("p:1"), map[string]string{"NO_PROXY": "10.0.0.0/8"}, ""},
		{"http://[::1]/", str("p:1"), map[string]string{"NO_PROXY": "[::1]"}, ""},
		{"http://a/", str("p"), map[string]string{"http_proxy": "q:1"}, "http://p:1080"},
		{"http://a/", str(""), map[string]string{"http_proxy": "q:1"}, ""},
		{"http://a/", str("p"), map[string]string{"no_proxy": "*"}, ""},
	} {
		u, _ := url.Parse(c.url)
		got, err := fetch.ProxyFor(&fetch.Options{Proxy: c.option}, c.env, u)
		text := ""
		if got != nil {
			text = got.String()
		}
		if text != c.want || err != nil {
			t.Errorf("%+v: %q, %v", c, text, err)
		}
	}
	for _, bad := range []string{"ftp://p", "http://", "http://[x"} {
		if _, err := fetch.ParseProxy(bad); err == nil {
			t.Errorf("%q is taken for a proxy", bad)
		}
	}
}

func TestRates(t *testing.T) {
	for _, good := range []string{"10/s", "1/d", "3", "100/m", "7/h"} {
		if r, err := fetch.ParseRate(good); err != nil || r == (fetch.Rate{}) {
			t.Errorf("%s: %v, %v", good, r, err)
		}
	}
	for _, bad := range []string{"", "0/s", "x/s", "1/y", "-1/s", "1.5/s"} {
		if r, err := fetch.ParseRate(bad); err == nil {
			t.Errorf("%q gave %v", bad, r)
		}
	}
}

func TestSizesAndTimesForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 9949: "9.9 kB", 12345: "12 kB", 999499: "999 kB", 999600: "1.0 MB", 1 << 40: "1.1 TB"} {
		if got := fetch.SizeText(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{5 * time.Millisecond: "5 ms", 1500 * time.Millisecond: "1.50 s", 90 * time.Second: "1m30s"} {
		if got := fetch.TimeText(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
