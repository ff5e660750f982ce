// Package hangup tells package asynchttp that the peer of a stream has ended
// its half, while nobody reads from it. It is a door between two packages of
// this module, and not for users: the notice comes inside the loop's look at
// its driver, where no user's code may run.
package hangup

// Notify has f called, once and on the loop's goroutine, when the peer of the
// stream, an *asyncio.Stream, has ended its half or the connection has failed.
// It reports whether that has happened already; then f is not called. What the
// peer has sent before may be unread. f must only take note. A second call
// replaces f.
//
// On Linux the notice comes at once. The portable driver learns of the end only
// after all that came before it was read.
//
// Package asyncio sets it when the first stream is made.
var Notify func(stream any, f func()) (already bool)
