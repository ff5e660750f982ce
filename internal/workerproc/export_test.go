package workerproc

// AnswerReply returns a worker's reply to a request.
func AnswerReply(r Request, most int) Reply { return answer(pending{1, r}, most) }

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
	WantHead     = wantHead
	ReplyHead    = replyHead
	ReplyValue   = replyValue
	ReplyFailed  = replyFailed
	MaxTailBytes = maxTail
)

// NewTail returns a writer that remembers the last of what is written.
func NewTail() *tailWriter { return &tailWriter{} }
