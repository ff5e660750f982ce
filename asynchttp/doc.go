// Package asynchttp is HTTP/1.1 and HTTP/2 on an asyncio loop: a [Transport] with
// which [net/http.Client] works inside a coroutine, and a [Server] that runs a
// [net/http.Handler] in a coroutine for each connection, or with HTTP/2 for each
// request.
//
//	resp, err := asynchttp.Get(ctx, url) // ctx is the coroutine's
//
// or, with a Transport of one's own,
//
//	tr := &asynchttp.Transport{}
//	defer tr.Close()
//	client := &http.Client{Transport: tr}
//	req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
//	resp, err := client.Do(req)
//
// Where net/http blocks a goroutine, this suspends the coroutine. Requests,
// responses, headers and cookies are net/http's own types, and so is nearly
// all that is written over them.
//
// HTTP/2 is spoken with whoever offers it in the TLS handshake; a Server also
// understands clients that begin with it without TLS. Protocols, in both, says
// otherwise. Requests of HTTP/2 to a host share a connection, up to the server's
// limit. There is no server push, and no CONNECT with a :protocol (RFC 8441).
//
// A [Retrier] sends again what is harmless to send twice; [AccessLog] and [Metrics]
// say who asks a Server, and how long it takes.
//
// A response's body may be closed on any goroutine; everything else belongs to
// the loop's.
//
// Some parts of net/http start goroutines or block, which a loop does not go
// with:
//
//   - [net/http.Transport], and so [net/http.DefaultClient] and
//     [net/http/httputil.ReverseProxy] without a Transport of its own, blocks the
//     loop for as long as the answer takes. Use a [Transport] of this package. A
//     [Server] whose handler does it reports that.
//   - [net/http.TimeoutHandler] runs its handler on another goroutine and
//     blocks the loop meanwhile. Use asyncio.Timeout inside the handler.
//   - [net/http.Client] with a Timeout starts one goroutine a request. It
//     works, but a context with a deadline, or asyncio.Timeout, is cheaper.
//   - [net/http.Request] has a Cancel channel. It is not looked at; the
//     request's context is.
package asynchttp
