package asynchttp_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// chosenRequests are what a server must get right, or must refuse.
func chosenRequests() []string {
	const host = "Host: x\r\n"
	get := func(fields string) string { return "GET /echo HTTP/1.1\r\n" + fields + "\r\n" }
	put := func(fields, body string) string { return "PUT /echo HTTP/1.1\r\n" + host + fields + "\r\n" + body }
	line := func(l string) string { return l + "\r\n" + host + "\r\n" }
	chunked := func(body string) string { return put("Transfer-Encoding: chunked\r\n", body) }
	list := []string{
		// Lines of requests.
		line("GET / HTTP/1.1"), line("GET /echo?a=b&c=%20d HTTP/1.1"), line("GET /a%2fb/../c HTTP/1.1"), line("GET //double//slash HTTP/1.1"),
		line("GET /echo HTTP/1.0"), line("GET /echo HTTP/1.2"), line("GET /echo HTTP/2.0"), line("GET /echo HTTP/0.9"), line("GET /echo HTTP/3.0"),
		line("GET /echo"), line("GET"), line(""), line("GET  /echo HTTP/1.1"), line("GET /echo  HTTP/1.1"), line("GET /echo HTTP/1.1 "), line(" GET /echo HTTP/1.1"),
		line("get /echo HTTP/1.1"), line("G?T /echo HTTP/1.1"), line("FOO /echo HTTP/1.1"), line("M-SEARCH /echo HTTP/1.1"), line("G(T /echo HTTP/1.1"),
		line("GET * HTTP/1.1"), line("OPTIONS * HTTP/1.1"), line("OPTIONS /echo HTTP/1.1"), line("TRACE /echo HTTP/1.1"), line("CONNECT a:443 HTTP/1.1"), line("CONNECT /echo HTTP/1.1"),
		line("GET http://other/echo HTTP/1.1"), line("GET https://other:1/echo HTTP/1.1"), line("GET http:///echo HTTP/1.1"), line("GET http:opaque HTTP/1.1"), line("GET //host/echo HTTP/1.1"),
		line("GET echo HTTP/1.1"), line("GET ?query HTTP/1.1"), line("GET /%zz HTTP/1.1"), line("GET /\x01 HTTP/1.1"), line("GET /\x7f HTTP/1.1"), line("GET /ü HTTP/1.1"), line("GET /#fragment HTTP/1.1"),
		line("GET /echo http/1.1"), line("GET /echo HTTP/1"), line("GET /echo HTTP/1.1x"), line("GET /echo HTTP/01.1"), line("GET /echo HTTP/1.01"), line("GET /echo XTTP/1.1"), line("GET\t/echo\tHTTP/1.1"),
		line("PRI * HTTP/2.0"), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", line("\x16\x03\x01"), line("GET /" + strings.Repeat("a", 3000) + " HTTP/1.1"),
		"\r\nGET /echo HTTP/1.1\r\nHost: x\r\n\r\n", "GET /echo HTTP/1.1\nHost: x\n\n", "GET /echo HTTP/1.1\r\nHost: x\n\r\n", "GET /echo HTTP/1.1\r\nHost: x\r\n\n", "GET /echo HTTP/1.1\rHost: x\r\r",
		// Host.
		get(""), get("Host:\r\n"), get("Host: \r\n"), get("Host: a\r\nHost: a\r\n"), get("Host: a\r\nHost: b\r\n"), get("Host: a b\r\n"), get("Host: a:80\r\n"), get("Host: [::1]:80\r\n"), get("Host: a/b\r\n"),
		get("Host: a@b\r\n"), get("Host: \x01\r\n"), get("Host: ü\r\n"), get("Host : a\r\n"), get("HOST: a\r\n"), get("Hosts: a\r\n"), get("Host: a,b\r\n"),
		"GET http://a/echo HTTP/1.1\r\n\r\n", "GET http://a/echo HTTP/1.1\r\nHost: b\r\n\r\n", "GET http://a/echo HTTP/1.1\r\nHost: b b\r\n\r\n", "GET http://a b/echo HTTP/1.1\r\nHost: b\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\n\r\n", "GET /echo HTTP/1.0\r\n\r\n",
		// Fields.
		get(host + "A: b\r\nA: c\r\n"), get(host + "A:b\r\n"), get(host + "A:  b  \r\n"), get(host + "A:\tb\t\r\n"), get(host + "A:\r\n"), get(host + ": b\r\n"), get(host + "A\r\n"), get(host + "A b: c\r\n"),
		get(host + " A: b\r\n"), get(" A: b\r\n" + host), get(host + "A: b\r\n c\r\n"), get(host + "A: b\r\n\tc\r\n"), get(host + "A: b\x00c\r\n"), get(host + "A: b\x01c\r\n"), get(host + "A: b\rc\r\n"), get(host + "A: b\x7fc\r\n"), get(host + "A: \xff\r\n"),
		get(host + "A\x00: b\r\n"), get(host + "Ä: b\r\n"), get(host + "A(: b\r\n"), get(host + "A_: b\r\n"), get(host + strings.Repeat("A: b\r\n", 100)), get(host + "Cookie: a=b; c=d\r\nCookie: e=f\r\n"), get(host + "User-Agent: t\r\nReferer: r\r\nAuthorization: Basic eDp5\r\n"),
		// The connection.
		get(host + "Connection: close\r\n"), get(host + "Connection: Close\r\n"), get(host + "Connection: keep-alive\r\n"), get(host + "Connection: foo, close\r\n"), get(host + "Connection: foo\r\nConnection: close\r\n"), get(host + "Connection: upgrade\r\nUpgrade: x\r\n"),
		"GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET /echo HTTP/1.0\r\nConnection: Keep-Alive, x\r\n\r\n", "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HEAD /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "PUT /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab",
		// Lengths.
		put("Content-Length: 0\r\n", ""), put("Content-Length: 3\r\n", "abc"), put("Content-Length: 3\r\n", "ab"), put("Content-Length: 3\r\n", "abcd"), put("Content-Length: 03\r\n", "abc"), put("Content-Length: +3\r\n", "abc"), put("Content-Length: -3\r\n", "abc"), put("Content-Length: 3 \r\n", "abc"),
		put("Content-Length: 0x3\r\n", "abc"), put("Content-Length: 3,3\r\n", "abc"), put("Content-Length: 3, 4\r\n", "abc"), put("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), put("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd"), put("Content-Length:\r\n", ""), put("Content-Length: a\r\n", "abc"),
		put("Content-Length: 99999999999999999999\r\n", "abc"), put("Content-Length: 9223372036854775807\r\n", "abc"), put("", "abc"), "GET /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "HEAD /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
		// Chunks.
		chunked("0\r\n\r\n"), chunked("3\r\nabc\r\n0\r\n\r\n"), chunked("3;x=y\r\nabc\r\n0\r\n\r\n"), chunked("3 \r\nabc\r\n0\r\n\r\n"), chunked("03\r\nabc\r\n0\r\n\r\n"), chunked("A\r\nabcdefghij\r\n0\r\n\r\n"), chunked("a\r\nabcdefghij\r\n000\r\n\r\n"), chunked("3\nabc\n0\n\n"), chunked("3\r\nabcd\r\n0\r\n\r\n"),
		chunked("-3\r\nabc\r\n0\r\n\r\n"), chunked("0x3\r\nabc\r\n0\r\n\r\n"), chunked("\r\nabc\r\n0\r\n\r\n"), chunked("g\r\nabc\r\n0\r\n\r\n"), chunked("ffffffffffffffff\r\nabc\r\n0\r\n\r\n"), chunked("11111111111111111\r\nabc\r\n0\r\n\r\n"), chunked("3\r\nabc"), chunked("3\r\nab"), chunked("3\r\nabc\r\n"), chunked("3\r\nabc\r\n0\r\n"), chunked("3\r\nabc0\r\n\r\n"),
		chunked("3\r\nabc\r\n0\r\nA: b\r\n\r\n"), chunked("3\r\nabc\r\n0\r\nA b\r\n\r\n"), chunked("3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n"), put("Transfer-Encoding: chunked\r\nTrailer: A, B\r\n", "0\r\nA: b\r\nC: d\r\n\r\n"), put("Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n", "0\r\n\r\n"),
		put("Transfer-Encoding: Chunked\r\n", "0\r\n\r\n"), put("Transfer-Encoding: identity\r\n", "abc"), put("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), put("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), put("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), put("Transfer-Encoding:\r\n", ""), put("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"), put("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
		put("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n"), put("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "PUT /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "PUT /echo HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
		"PUT /part HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n\r\n", "PUT /unread HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nBad\r\n\r\n", "PUT /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab",
		// Expectations.
		"OPTIONS * HTTP/1.1\r\nHost: x\r\nExpect: rain\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
		put("Expect: 100-continue\r\nContent-Length: 3\r\n", "abc"), put("Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"), put("Expect: 100-continue\r\nContent-Length: 0\r\n", ""), put("Expect: rain\r\nContent-Length: 3\r\n", "abc"), "PUT /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", "PUT /unread HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
	}
	// What handlers do.
	for _, path := range []string{"/unread", "/part", "/stream", "/204", "/304", "/304length", "/early", "/close", "/short", "/long", "/trailer", "/identity", "/hint", "/panic", "/abort", "/nothing", "/type", "/late", "/http10"} {
		for _, r := range []string{"GET %s HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD %s HTTP/1.1\r\nHost: x\r\n\r\n", "PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "PUT %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "GET %s HTTP/1.0\r\n\r\n"} {
			list = append(list, fmt.Sprintf(r, path))
		}
	}
	return list
}

// generatedRequest makes a request out of parts that are mostly right.
func generatedRequest(rnd *rand.Rand) string {
	pick := func(s ...string) string { return s[rnd.IntN(len(s))] }
	rare := func(odd, usual string) string {
		if rnd.IntN(12) == 0 {
			return odd
		}
		return usual
	}
	var b strings.Builder
	eol := rare("\n", "\r\n")
	fmt.Fprintf(&b, "%s%s%s%s%s%s", pick("GET", "GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "PATCH"), rare("  ", " "),
		pick("/echo", "/echo", "/echo", "/unread", "/part", "/stream", "/204", "/304", "/close", "/trailer", "/early", "http://h/echo", "*", "/%41?b"), rare("\t", " "), pick("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"), eol)
	if rnd.IntN(15) > 0 {
		b.WriteString(rare("host", "Host") + ":" + rare("", " ") + rare(pick("", "a b", "a:1", "é", "[::1]"), "x") + eol)
	}
	for range rnd.IntN(5) {
		b.WriteString(rare(pick("", " X", "X ", "X\x00", "(", "ä"), pick("A", "X-B", "Cookie", "Accept", "content-type")) + rare("", ":") + pick("", " ", "\t") +
			rare(pick("a\x00", "\r", "a\x01", "é", "\x7f"), pick("v", "a b", "", "1, 2")) + rare("\r", "") + eol + rare(" folded"+eol, ""))
	}
	if rnd.IntN(3) == 0 {
		b.WriteString("Connection: " + pick("close", "keep-alive", "x", "x, close", "Keep-Alive") + eol)
	}
	if rnd.IntN(12) == 0 {
		b.WriteString("Expect: " + pick("100-continue", "100-continue", "x") + eol)
	}
	body := ""
	switch rnd.IntN(4) {
	case 0:
		body = pick("", "a", "abc", strings.Repeat("long ", 1000))
		fmt.Fprintf(&b, "Content-Length: %s%d%s", rare(pick("+", "0", "-", " "), ""), len(body)+rnd.IntN(20)/19, eol)
	case 1:
		b.WriteString("Transfer-Encoding: " + rare(pick("gzip", "identity", "chunked, x", ""), "chunked") + eol)
		for range rnd.IntN(4) {
			c := pick("a", "hello", strings.Repeat("x", 300))
			body += fmt.Sprintf("%x%s%s%s%s", len(c)+rnd.IntN(25)/24, rare(";e=1", ""), rare("\n", "\r\n"), c, rare("", "\r\n"))
		}
		body += rare("", "0\r\n") + rare(pick("T: 1\r\n", "Bad\r\n"), "") + rare("", "\r\n")
		if rnd.IntN(10) == 0 {
			fmt.Fprintf(&b, "Content-Length: %d%s", len(body), eol)
		}
	}
	b.WriteString(eol + body)
	return b.String()
}
