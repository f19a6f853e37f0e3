package editor

import (
	"bytes"
	"slices"
	"strings"
	"unicode"

	"github.com/conftool/confctl/internal/text"
)

// block is the comment lines above a text that give a reason, without line ends.
//
// Removing the block must neither leave a part of it in the text nor remove a line
// of the text, whatever the person has edited around it. Therefore it has a first
// and a last marker line; if one of them was deleted, its lines are recognized
// individually.
type block []string

const (
	blockHead = "# --- confctl: this text was not accepted ---"
	blockFoot = "# --- confctl: correct it below; these lines are taken out again ---"
	// blockIndent prevents a line of the reason from looking like a marker line.
	blockIndent = "#   "

	// byteOrderMark is the mark that some editors write at the start of a file, and so
	// above the block.
	byteOrderMark = "\uFEFF"
)

// newBlock returns the reason as comment lines. The reason may quote typed text, and
// YAML has more characters than \n that end a line, and with it the comment.
func newBlock(reason error) block {
	b := block{blockHead}
	for line := range strings.Lines(reason.Error()) {
		if line = strings.TrimSpace(text.Spaced(line)); line != "" {
			b = append(b, blockIndent+line)
		}
	}
	return append(b, blockFoot)
}

// above returns text with the block on top. The block has the line ends of the text,
// because editors detect them from the first lines.
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

// strip returns text without the block. It is the exact inverse of above if the
// block was not edited. The block's lines are removed even if a replacement in the
// whole file has changed them, or if some were deleted; lines typed above it or
// inside it stay.
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

// find returns the index of the first line that equals want, or -1.
func find(lines [][]byte, want string) int {
	return slices.IndexFunc(lines, func(line []byte) bool { return isLine(line, want) })
}

// isLine reports whether line is want, ignoring line ends and trailing blanks, which
// some editors remove.
func isLine(line []byte, want string) bool {
	return string(bytes.TrimRightFunc(line, unicode.IsSpace)) == want
}

// after looks for a line in the rest of the block, and returns the lines that follow
// it.
func (b block) after(line []byte) (block, bool) {
	i := slices.IndexFunc(b, func(own string) bool { return isLine(line, own) })
	if i < 0 {
		return nil, false
	}
	return b[i+1:], true
}
