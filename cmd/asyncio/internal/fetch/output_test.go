package fetch_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

func TestRemoteNamesStayInTheirDirectory(t *testing.T) {
	for raw, want := range map[string]string{
		"http://h/a/b.html?x=/y":    "b.html",
		"http://h/":                 "index.html",
		"http://h":                  "index.html",
		"http://h/a/":               "index.html",
		"http://h/a/..":             "index.html",
		"http://h/%2e%2e":           "%2e%2e",
		"http://h/..%2f..%2fpasswd": "..%2f..%2fpasswd",
		`http://h/..\..\x`:          "..%5C..%5Cx",
		"http://h/a%0ab":            "a%0ab",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := fetch.RemoteName(u); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
	u, _ := url.Parse("http://h/" + strings.Repeat("x", 1000) + ".tar.gz")
	if got := fetch.RemoteName(u); len(got) > 255 || !strings.HasSuffix(got, ".gz") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

func FuzzRemoteNameIsOneFile(f *testing.F) {
	f.Add("/a/b")
	f.Add("/..%2f/..")
	f.Add("/a\x00\x1b[31m")
	f.Add("/é\u2028")
	f.Fuzz(func(t *testing.T, path string) {
		for _, u := range []*url.URL{{Path: path}, {Path: path, RawPath: path}} {
			name := fetch.RemoteName(u)
			if name == "" || name == "." || name == ".." || len(name) > 255 || !filepath.IsLocal(name) || filepath.Base(name) != name {
				t.Fatalf("%q gives %q", path, name)
			}
			for _, r := range name {
				if r < ' ' || r >= 0x7f && r < 0xa0 {
					t.Fatalf("%q gives %q", path, name)
				}
			}
		}
	})
}

var sample = &fetch.Result{
	Number: 3, URL: "http://a/\"x", Effective: "http://b/", Method: "GET", Scheme: "http",
	Code: 7, HTTPVersion: "1.1", ContentType: "text/html", Header: http.Header{"Etag": {"e"}, "A": {"1", "2"}},
	Downloaded: 1000, Times: fetch.Times{Total: 1500 * time.Millisecond},
	Remote: netip.MustParseAddrPort("[::ffff:127.0.0.1]:80"),
}

func TestWriteOutFormats(t *testing.T) {
	for format, want := range map[string]string{
		`%{http_code} %{size_download}\n`:           "007 1000\n",
		`%{time_total}\t%{speed_download}%%`:        "1.500000\t666%",
		`%{remote_ip}:%{remote_port}`:               "127.0.0.1:80",
		`%header{etag}-%header{none}`:               "e-",
		`%{onerror}bad`:                             "",
		`50% %{ \q\\`:                               `50% %{ \q\\`,
		`%{stderr}x%{stdout}y`:                      "y",
		`%{header_json}`:                            `{"a":["1","2"],"etag":["e"]}`,
		`%{url_effective}%{content_type}%{scheme}`:  "http://b/text/htmlHTTP",
		`%{exitcode}%{errormsg}%{urlnum}%{unknown}`: "03",
	} {
		if got, _, _ := fetch.FormatWriteOut(format, sample); got != want {
			t.Errorf("%s: %q, want %q", format, got, want)
		}
	}
	if _, errs, unknown := fetch.FormatWriteOut("%{stderr}x%{nope}", sample); errs != "x" || !slices.Equal(unknown, []string{"nope"}) {
		t.Errorf("%q, %q", errs, unknown)
	}
	failed := *sample
	failed.Err = &fetch.Error{Code: fetch.TimedOut, Err: errors.New("late\x1b[1m")}
	if got, _, _ := fetch.FormatWriteOut("%{onerror}%{exitcode} %{errormsg}", &failed); got != "28 late?[1m" {
		t.Errorf("%q", got)
	}
}

func FuzzWriteOutTakesAnyFormat(f *testing.F) {
	f.Add(`%{json}\n`)
	f.Add(`%header{`)
	f.Add(`\`)
	f.Fuzz(func(t *testing.T, format string) {
		fetch.FormatWriteOut(format, sample)
	})
}

func TestJSONIsAnObjectOfAllVariables(t *testing.T) {
	var got map[string]any
	if err := json.Unmarshal([]byte(fetch.AppendJSON(sample)), &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range fetch.VariableNames() {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
	if got["url"] != sample.URL || got["http_code"] != 7.0 || got["errormsg"] != nil || got["time_total"] != 1.5 {
		t.Error(got)
	}
}

func TestWhatIsTriedAgain(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	failed := func(c fetch.Code) *fetch.Result {
		return &fetch.Result{Err: &fetch.Error{Code: c, Err: io.ErrUnexpectedEOF}}
	}
	status := func(n int, retryAfter string) *fetch.Result {
		return &fetch.Result{Code: n, Header: http.Header{"Retry-After": {retryAfter}}}
	}
	for _, c := range []struct {
		why     string
		o       fetch.Options
		r       *fetch.Result
		retries int
		since   time.Duration
		want    time.Duration // negative: no
	}{
		{"no retries", fetch.Options{}, failed(fetch.TimedOut), 0, 0, -1},
		{"a timeout", fetch.Options{Retry: 3}, failed(fetch.TimedOut), 0, 0, time.Second},
		{"the delay doubles", fetch.Options{Retry: 9}, failed(fetch.NoHostAddress), 4, 0, 16 * time.Second},
		{"up to ten minutes", fetch.Options{Retry: 99}, failed(fetch.NoHostAddress), 70, 0, 10 * time.Minute},
		{"or stays", fetch.Options{Retry: 9, RetryDelay: 3 * time.Second}, failed(fetch.TimedOut), 4, 0, 3 * time.Second},
		{"all used", fetch.Options{Retry: 3}, failed(fetch.TimedOut), 3, 0, -1},
		{"a refusal is final", fetch.Options{Retry: 3}, failed(fetch.CannotConnect), 0, 0, -1},
		{"unless all is tried", fetch.Options{Retry: 3, RetryAllErrors: true}, failed(fetch.CannotConnect), 0, 0, time.Second},
		{"an interrupt is final", fetch.Options{Retry: 3, RetryAllErrors: true}, failed(fetch.Interrupted), 0, 0, -1},
		{"503", fetch.Options{Retry: 1}, status(503, ""), 0, 0, time.Second},
		{"404", fetch.Options{Retry: 1}, status(404, ""), 0, 0, -1},
		{"404 is no error", fetch.Options{Retry: 1, RetryAllErrors: true}, status(404, ""), 0, 0, -1},
		{"Retry-After in seconds", fetch.Options{Retry: 1}, status(429, "20"), 0, 0, 20 * time.Second},
		{"Retry-After as a date", fetch.Options{Retry: 1}, status(503, now.Add(time.Minute).Format(http.TimeFormat)), 0, 0, time.Minute},
		{"Retry-After in the past", fetch.Options{Retry: 1}, status(503, now.Add(-time.Hour).Format(http.TimeFormat)), 0, 0, time.Second},
		{"Retry-After that is none", fetch.Options{Retry: 1}, status(503, "soon"), 0, 0, time.Second},
		{"no time left", fetch.Options{Retry: 1, RetryMaxTime: 10 * time.Second}, status(503, ""), 0, 9500 * time.Millisecond, -1},
		{"some time left", fetch.Options{Retry: 1, RetryMaxTime: 10 * time.Second}, status(503, ""), 0, 8 * time.Second, time.Second},
	} {
		got, yes := c.o.Again(c.r, c.retries, c.since, now)
		if !yes {
			got = -1
		}
		if got != c.want {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		done, total, width int
		want               string
	}{
		{5, 10, 80, "[####################--------------------] 5/10 x"},
		{5, 10, 20, "[####----] 5/10 x"},
		{5, 10, 8, "5/10 x"},
		{5, -1, 80, "5 x"},
		{0, 0, 20, "[#########] 0/0 x"},
	} {
		if got := fetch.Bar(c.done, c.total, " x", c.width, false); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
