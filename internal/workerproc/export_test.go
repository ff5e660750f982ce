package workerproc

// Answer returns a worker's reply to a request.
var Answer = answer

var (
	WriteFrame = writeFrame
	ReadFrame  = readFrame
	ReadReply  = readReply
	NewReply   = newReply
	Split      = Request.split
)

const (
	MaxName      = maxName
	OneWrite     = oneWrite
	ReplyValue   = replyValue
	ReplyFailed  = replyFailed
	MaxTailBytes = maxTail
)

// NewTail returns a writer that remembers the last of what is written.
func NewTail() *tailWriter { return &tailWriter{} }
