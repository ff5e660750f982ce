package asynchttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio/asynchttp"
)

// forever writes head and then text again and again, until the client goes.
func forever(t *testing.T, head, text string) (url string) {
	return rawServer(t, func(c net.Conn) {
		if skipHead(c) != nil {
			return
		}
		_, err := io.WriteString(c, head)
		for err == nil {
			_, err = io.WriteString(c, text)
		}
	})
}

func TestServersThatMisbehaveGiveAnError(t *testing.T) {
	onEveryDriver(t, testServersThatMisbehaveGiveAnError)
}

func testServersThatMisbehaveGiveAnError(t *testing.T) {
	malformed := func(err error) bool {
		var e *asynchttp.MalformedResponseError
		return errors.As(err, &e)
	}
	is := func(target error) func(error) bool {
		return func(err error) bool { return errors.Is(err, target) }
	}
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, x := range map[string]struct {
		url  string
		want func(error) bool
	}{
		"no answer":               {answers(t, ""), is(asynchttp.ErrEmptyReply)},
		"no HTTP":                 {answers(t, "what?\r\n\r\n"), malformed},
		"half a header":           {answers(t, ok+"X: 1\r\n"), is(io.ErrUnexpectedEOF)},
		"a field without a colon": {answers(t, ok+"nonsense\r\n\r\n"), malformed},
		"short body":              {answers(t, ok+"Content-Length: 10\r\n\r\nshort"), is(io.ErrUnexpectedEOF)},
		"short chunked body":      {answers(t, ok+"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), is(io.ErrUnexpectedEOF)},
		"short chunk":             {answers(t, ok+"Transfer-Encoding: chunked\r\n\r\n9\r\nhello"), is(io.ErrUnexpectedEOF)},
		"short gzip":              {answers(t, ok+"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00"), is(io.ErrUnexpectedEOF)},
		"no gzip":                 {answers(t, ok+"Content-Encoding: gzip\r\n\r\nabcdefghijklmnopqrst"), malformed},
		"bad chunk size":          {answers(t, ok+"Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n"), malformed},
		"huge chunk size":         {answers(t, ok+"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n"), malformed},
		"differing lengths":       {answers(t, ok+"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"), malformed},
		"negative length":         {answers(t, ok+"Content-Length: -5\r\n\r\nhello!"), malformed},
		"endless line":            {forever(t, ok+"X: ", "yyyyyyyy"), is(asynchttp.ErrHeaderTooLarge)},
		"endless header":          {forever(t, ok, "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n"), is(asynchttp.ErrHeaderTooLarge)},
		"very many fields":        {forever(t, ok, "X: y\r\n"), is(asynchttp.ErrHeaderTooLarge)},
		"endless 1xx":             {forever(t, "", "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"), is(asynchttp.ErrTooManyInformational)},
		"endless trailer":         {forever(t, ok+"Transfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n"), is(asynchttp.ErrHeaderTooLarge)},
		"endless chunk extension": {forever(t, ok+"Transfer-Encoding: chunked\r\n\r\n5;", "x=y;"), malformed},
		"redirect loop":           {answers(t, "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), func(err error) bool { return strings.Contains(err.Error(), "redirects") }},
		"nobody there":            {"http://127.0.0.1:1", func(err error) bool { return strings.Contains(err.Error(), "refused") }},
	} {
		t.Run(name, func(t *testing.T) {
			withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
				got, err := get(ctx, c, x.url)
				if err == nil || !x.want(err) {
					t.Errorf("got %.40q, %v", got, err)
				}
				return nil
			})
		})
	}
}

func TestAHeaderWithinTheLimitsIsTaken(t *testing.T) {
	var b strings.Builder
	b.WriteString("HTTP/1.1 103 Early Hints\r\n\r\n")
	b.WriteString("HTTP/1.1 200 OK\r\n")
	for i := range 4900 {
		fmt.Fprintf(&b, "X-%d: %s\r\n", i, strings.Repeat("y", 30))
	}
	b.WriteString("Content-Length: 5\r\n\r\nhello")
	url := answers(t, b.String())
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		if got, err := get(ctx, c, url); got != "hello" {
			t.Errorf("got %q, %v", got, err)
		}
		return nil
	})
}

func TestDripOfALongBodyDoesNotCountAsHeader(t *testing.T) {
	text := strings.Repeat("line\n", 100000)
	url := answers(t, "HTTP/1.0 200 OK\r\n\r\n"+text)
	withClient(t, &asynchttp.Transport{}, func(ctx context.Context, c *http.Client) error {
		if got, err := get(ctx, c, url); got != text {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
		return nil
	})
}
