package cli_test

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/cli"
)

func TestTheDemoSaysHowLongItTook(t *testing.T) {
	var out, errs bytes.Buffer
	code := cli.Run(t.Context(), []string{"demo", "--pages", "20"}, strings.NewReader(""), &out, &errs)
	if want := regexp.MustCompile(`(?s)^Fetching 20 pages .*\n20 pages, \d+ bytes, in \d+\.\d\d s, .* would have taken \d+\.\d s, \d+ times as long\.\n$`); code != 0 || !want.MatchString(out.String()) {
		t.Fatalf("(%d) %s%s", code, out.String(), errs.String())
	}
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	if code := cli.Run(ctx, []string{"demo"}, strings.NewReader(""), &out, &errs); code != 130 || !strings.HasSuffix(errs.String(), "(130) interrupted\n") {
		t.Fatalf("(%d) %s", code, errs.String())
	}
	if code := cli.Run(t.Context(), []string{"demo", "--pages", "0"}, strings.NewReader(""), &out, &errs); code != 2 {
		t.Fatal(code)
	}
}
