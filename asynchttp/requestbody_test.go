package asynchttp

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"testing"
)

// What is left of a body that nobody has read, when the response is sent.
func TestABodyThatCannotEndIsMalformed(t *testing.T) {
	for name, x := range map[string]struct {
		body  *requestBody
		ahead string // what has come of it
		cut   bool   // and nothing more will
		want  bool
	}{
		"the rest has come":            {&requestBody{length: 5, got: 1}, "2345", true, false},
		"more has come":                {&requestBody{length: 5, got: 1}, "2345GET", true, false},
		"a part of the rest":           {&requestBody{length: 5, got: 1}, "234", true, true},
		"a part, and more may":         {&requestBody{length: 5, got: 1}, "234", false, false},
		"it was read":                  {&requestBody{length: 5, got: 5, err: io.EOF}, "", true, false},
		"begun, and nothing":           {&requestBody{length: -1, begun: true}, "", true, true},
		"begun, and something":         {&requestBody{length: -1, begun: true}, "x", true, false},
		"begun, and more may":          {&requestBody{length: -1, begun: true}, "", false, false},
		"nothing":                      {&requestBody{length: -1}, "", true, true},
		"nothing, and more may":        {&requestBody{length: -1}, "", false, false},
		"chunks":                       {&requestBody{length: -1}, "1\r\na\r\n0\r\n\r\n", true, false},
		"a part of chunks":             {&requestBody{length: -1}, "1\r\na\r\n", true, true},
		"a part of chunks, and more":   {&requestBody{length: -1}, "1\r\na\r\n", false, false},
		"a part of trailers":           {&requestBody{length: -1}, "0\r\nA: b\r\n", true, true},
		"a part of trailers, and more": {&requestBody{length: -1}, "0\r\nA: b\r\n", false, false},
		"no chunks":                    {&requestBody{length: -1}, "what?\r\n", false, true},
		"no trailers":                  {&requestBody{length: -1}, "0\r\nwhat\r\n\r\n", false, true},
	} {
		c := &serverConn{srv: &Server{tls: &tls.Config{}}, hungUp: x.cut, br: bufio.NewReader(strings.NewReader(x.ahead))}
		_, _ = c.br.Peek(1)
		b := x.body
		b.conn = c
		if got := b.malformed(); got != x.want {
			t.Errorf("%s: malformed: %v", name, got)
		}
	}
}

func TestHowMuchOfABodyIsTooMuch(t *testing.T) {
	for name, x := range map[string]struct {
		body *requestBody
		want bool
	}{
		"none is left":   {&requestBody{length: 5, got: 5, err: io.EOF}, false},
		"as much as may": {&requestBody{length: maxDrain + 1, got: 1}, false},
		"a byte more":    {&requestBody{length: maxDrain + 1}, true},
		"nobody knows":   {&requestBody{length: -1}, false},
		"it has failed":  {&requestBody{length: 5, err: errBroken}, true},
		"it is awaited":  {&requestBody{length: 5, expects: true}, true},
		"it is read":     {&requestBody{length: 5, reading: true}, true},
	} {
		b := x.body
		if got := b.tooMuch(); got != x.want {
			t.Errorf("%s: too much: %v", name, got)
		}
		if x.want {
			if !b.drain() {
				t.Errorf("%s: it was read", name)
			}
		}
	}
}

// What has failed with a connection of a server, and what has not.
func TestAServersConnectionIsBrokenInEachWay(t *testing.T) {
	cause := errors.New("somebody has ended it")
	for name, x := range map[string]struct {
		c      *serverConn
		n      int
		err    error
		broken bool
	}{
		"ended by somebody": {&serverConn{cause: cause}, 0, cause, true},
		"failed before":     {&serverConn{readErr: errBroken, ioErr: errBroken}, 0, errBroken, true},
		"a large header":    {&serverConn{meter: headerMeter{on: true, lines: 9}}, 0, ErrHeaderTooLarge, false},
		"what is ahead":     {&serverConn{ahead: []byte("abc")}, 2, nil, false},
	} {
		c := x.c
		n, err := c.Read(make([]byte, 2))
		if n != x.n || err != x.err || c.broken() != x.broken {
			t.Errorf("%s: %d, %v, broken: %v", name, n, err, c.broken())
		}
		if err != nil {
			if n, again := c.Read(make([]byte, 2)); n != 0 || again != err {
				t.Errorf("%s: and then %d, %v", name, n, again)
			}
		}
	}
	late := serverConn{late: true}
	var timeout *TimeoutError
	if n, err := late.Read(make([]byte, 1)); n != 0 || !errors.As(err, &timeout) || timeout.Op != "request" || late.readErr != err {
		t.Errorf("late: %d, %v", n, err)
	}
	c := serverConn{cause: cause}
	if n, err := c.Write([]byte("x")); n != 0 || err != cause {
		t.Errorf("it writes %d, %v", n, err)
	}
	if err := c.writeLines([]byte("x")); err != cause {
		t.Error(err)
	}
	if n, err := c.sendfile(nil, nil, 0, 1); n != 0 || err != cause {
		t.Errorf("it sends %d, %v", n, err)
	}
	if err := c.failed(io.EOF); err != cause || c.ioErr != cause {
		t.Errorf("%v, %v", err, c.ioErr)
	}
	fine := serverConn{}
	for _, err := range []error{nil, errBroken, io.EOF} {
		if got := fine.failed(err); got != err || err == nil && fine.ioErr != nil || err != nil && fine.ioErr != errBroken {
			t.Errorf("%v: %v, the first is %v", err, got, fine.ioErr)
		}
	}
}
