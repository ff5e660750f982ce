package requesturi_test

import (
	"testing"

	"github.com/asyncio-go/asyncio/asynchttp/internal/requesturi"
)

func TestANameOfOtherLettersIsTheOneOfTheDNS(t *testing.T) {
	for host, want := range map[string]string{
		"Example.COM:80":           "Example.COM:80",
		"[::1]:80":                 "[::1]:80",
		"b\u00fccher.example":      "xn--bcher-kva.example",
		"B\u00dcCHER.example:8080": "xn--bcher-kva.example:8080",
		"b\u00fccher.example:":     "xn--bcher-kva.example:",
	} {
		if got, err := requesturi.ASCIIHost(host); got != want || err != nil {
			t.Errorf("%q is %q, %v", host, got, err)
		}
	}
	for _, host := range []string{"\u00fc\x00", "\u00fc b:80", "xn--\u00fc"} {
		if got, err := requesturi.ASCIIHost(host); err == nil {
			t.Errorf("%q is %q", host, got)
		}
	}
}
