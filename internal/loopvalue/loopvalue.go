// Package loopvalue keeps what other packages of this module have once for each
// loop, such as the default client of asynchttp. It is a door between packages, and
// not for users.
package loopvalue

// Of returns what the loop, an *asyncio.Loop, keeps under a key, which it makes when
// it is first asked for. What it keeps is dropped when the loop closes. It is for
// the loop's goroutine.
//
// Package asyncio sets it when it is initialised.
var Of func(loop, key any, make func() any) any
