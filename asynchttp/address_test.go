package asynchttp

import (
	"net/url"
	"slices"
	"testing"
)

func TestTheAddressOfAURL(t *testing.T) {
	for text, want := range map[string]string{
		"http://Example.ORG":           "example.org:80",
		"https://example.org":          "example.org:443",
		"https://example.org:8":        "example.org:8",
		"socks5://p":                   "p:1080",
		"socks5h://p":                  "p:1080",
		"http://[::1]":                 "[::1]:80",
		"http://b\u00fccher.example/x": "xn--bcher-kva.example:80",
		"http://B\u00dcCHER.example/x": "xn--bcher-kva.example:80",
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := address(u); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestZonesStayAtHome(t *testing.T) {
	for host, want := range map[string]string{
		"a":              "a",
		"a%b]":           "a%b]",
		"[fe80::1%eth0]": "[fe80::1]",
		"[fe80::1%e]:80": "[fe80::1]:80",
		"[%e]":           "[]",
		"[::1]:80":       "[::1]:80",
		"[fe80::1%e":     "[fe80::1%e",
		"[::1]%e":        "[::1]%e",
	} {
		if got := withoutZone(host); got != want {
			t.Errorf("%s: got %s, want %s", host, got, want)
		}
	}
}

func TestKeysHaveAnOrder(t *testing.T) {
	sorted := []key{
		{proxy: "z", scheme: "z", addr: "a", http1: true},
		{proxy: "z", scheme: "a", addr: "b", http1: true},
		{proxy: "a", scheme: "b", addr: "b", http1: true},
		{proxy: "b", scheme: "b", addr: "b"},
		{proxy: "b", scheme: "b", addr: "b", http1: true},
	}
	for i, a := range sorted {
		for j, b := range sorted {
			got := a.compare(b)
			if got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%v beside %v: %d", a, b, got)
			}
		}
	}
	mixed := []key{sorted[3], sorted[0], sorted[4], sorted[2], sorted[1]}
	slices.SortFunc(mixed, key.compare)
	if !slices.Equal(mixed, sorted) {
		t.Error(mixed)
	}
}

func TestFoldingLeavesWhatIsNoLetter(t *testing.T) {
	for _, x := range []struct {
		s, t string
		same bool
	}{
		{"", "", true}, {"gzip", "GZIP", true}, {"GZIP", "gzip", true}, {"AZaz", "azAZ", true},
		{"gzip", "gzi", false}, {"gzip", "gzix", false}, {"a", "b", false}, {"@", "`", false}, {"`", "@", false}, {"[", "{", false}, {"{", "[", false},
	} {
		if asciiEqualFold(x.s, x.t) != x.same {
			t.Errorf("%q beside %q", x.s, x.t)
		}
	}
}
