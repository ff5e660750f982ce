package h2

import "golang.org/x/net/http2"

// settings are what a peer has asked for, or what it is taken to want until it
// has.
type settings struct {
	seen       bool // its first SETTINGS have come
	window     int64
	table      uint32
	streams    uint32 // that it lets us have at once
	headerList uint64 // bytes that it takes; 0: it has named no limit
}

const (
	// firstStreams is how many streams are opened before the peer has said how
	// many it takes, and manyStreams when it has not bounded them.
	firstStreams = 100
	manyStreams  = 1000
)

func newSettings() settings {
	return settings{window: defaultWindow, table: tableSize, streams: firstStreams}
}

// apply takes a SETTINGS frame, and returns by how much the window of streams
// has changed.
func (s *settings) apply(f *http2.SettingsFrame) (delta int64, err error) {
	before := s.window
	if !s.seen {
		s.seen = true
		s.streams = manyStreams
	}
	for i := range f.NumSettings() {
		set := f.Setting(i)
		if err := set.Valid(); err != nil {
			code, ok := err.(http2.ConnectionError)
			if !ok {
				code = http2.ConnectionError(http2.ErrCodeProtocol)
			}
			return 0, connError(http2.ErrCode(code), "invalid setting "+set.String())
		}
		switch set.ID {
		case http2.SettingInitialWindowSize:
			s.window = int64(set.Val)
		case http2.SettingHeaderTableSize:
			s.table = min(set.Val, tableSize)
		case http2.SettingMaxConcurrentStreams:
			s.streams = set.Val
		case http2.SettingMaxHeaderListSize:
			s.headerList = uint64(set.Val)
		}
	}
	return s.window - before, nil
}
