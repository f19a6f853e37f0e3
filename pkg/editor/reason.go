package editor

import (
	"bytes"
	"slices"
	"strings"
	"unicode"

	"github.com/conftool/confctl/internal/text"
)

// block is the comment lines that give a reason on top of a text, without their
// line ends.
//
// Taking it off again must neither leave a part of it in the text nor take a line
// of the text with it, whatever the person has done around it. So it has a head and
// a foot, and where one of these was deleted the lines are known one by one.
type block []string

const (
	blockHead = "# --- confctl: this text was not accepted ---"
	blockFoot = "# --- confctl: correct it below; these lines are taken out again ---"
	// blockIndent keeps a line of the reason from looking like head or foot.
	blockIndent = "#   "

	// byteOrderMark is what some editors put in front of all, and so of the block.
	byteOrderMark = "\uFEFF"
)

// newBlock makes comments of a reason. That may quote what was typed, and there are
// more characters than \n that end a line in YAML, and so the comment.
func newBlock(reason error) block {
	b := block{blockHead}
	for line := range strings.Lines(reason.Error()) {
		if line = strings.TrimSpace(text.Spaced(line)); line != "" {
			b = append(b, blockIndent+line)
		}
	}
	return append(b, blockFoot)
}

// above returns the block on top of text, with the line ends text has, since
// editors guess them from the first lines.
func (b block) above(text []byte) []byte {
	eol := "\n"
	if i := bytes.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		eol = "\r\n"
	}
	var out bytes.Buffer
	for _, line := range b {
		out.WriteString(line)
		out.WriteString(eol)
	}
	out.Write(text)
	return out.Bytes()
}

// strip returns text without the block: the exact inverse of above when the block
// was left alone. Its lines go even if a replacement over the whole file has
// changed them, or if some of them were deleted; lines typed above it or in it stay.
func (b block) strip(text []byte) []byte {
	if len(b) == 0 {
		return text
	}
	out := make([]byte, 0, len(text))
	if rest, ok := bytes.CutPrefix(text, []byte(byteOrderMark)); ok {
		out, text = append(out, byteOrderMark...), rest
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	head, foot := find(lines, blockHead), find(lines, blockFoot)
	whole := head >= 0 && head < foot
	left := b
	for i, line := range lines {
		switch {
		case whole && i >= head && i <= foot:
			if i == head || i == foot || bytes.HasPrefix(line, []byte(blockIndent)) {
				continue
			}
		case !whole:
			if rest, ok := left.after(line); ok {
				left = rest
				continue
			}
		}
		out = append(out, line...)
	}
	return out
}

// find returns the number of the first line that is want, or -1.
func find(lines [][]byte, want string) int {
	return slices.IndexFunc(lines, func(line []byte) bool { return isLine(line, want) })
}

// isLine allows for another line end, and for blanks at the end, which some
// editors take away.
func isLine(line []byte, want string) bool {
	return string(bytes.TrimRightFunc(line, unicode.IsSpace)) == want
}

// after looks for a line in what is left of the block and returns what follows it
// there.
func (b block) after(line []byte) (block, bool) {
	i := slices.IndexFunc(b, func(own string) bool { return isLine(line, own) })
	if i < 0 {
		return nil, false
	}
	return b[i+1:], true
}
