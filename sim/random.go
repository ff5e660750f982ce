package sim

import "testing/cryptotest"

// EqualRandom makes the random bytes of package crypto/rand, and with them TLS, choices
// of the world: in [Test] and [Fuzz], by testing/cryptotest, which is for the whole
// process. So such a test must not run beside others in parallel. Without it a world
// with TLS does not send the same bytes when it is run again. A certificate that is
// made once takes random bytes in the first world only, so let it be made before.
func EqualRandom() Option { return option(func(c *config) { c.equalRandom = true }) }

// seedRandom makes the random bytes those of the world.
func (w *World) seedRandom() {
	if w.cfg.equalRandom && w.cfg.t != nil {
		cryptotest.SetGlobalRandom(w.cfg.t, uint64(w.tape.pick(cryptoStream, maxChoice)))
	}
}
