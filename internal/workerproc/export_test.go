package workerproc

// Answer returns a worker's reply to a request.
var Answer = answer

var (
	WriteFrame = writeFrame
	ReadFrame  = readFrame
)
