package asyncio

// TryWrite is [StreamWriter.WriteNowait] with a bound: when p and what is queued already
// are more than max bytes together, it writes nothing and returns false. It is for a task
// that writes to many peers and must wait for none of them: what a slow one has no room for
// is dropped, or ends it. It returns the error with which writing has failed, or
// [net.ErrClosed], whatever is queued. Over TLS the queue holds encrypted bytes, a little
// more than were written. Python: write, after a look at get_write_buffer_size.
func (w *StreamWriter) TryWrite(p []byte, max int) (written bool, err error) {
	if err := onLoop(); err != nil {
		return false, err
	}
	if err := w.sock.writable(); err != nil {
		return false, err
	}
	if w.WriteBufferSize()+len(p) > max {
		return false, nil
	}
	return true, w.WriteNowait(p)
}
