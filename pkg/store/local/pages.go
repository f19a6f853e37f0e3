package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"runtime/debug"
	"syscall"

	"github.com/conftool/confctl/pkg/store"
)

// bbolt verifies only the page that a commit writes last. A wrong page number can
// lead it to an older copy of a page or into a cycle, and a wrong length to memory
// outside the map. So this package checks the pages before bbolt uses the file. This
// is bbolt's layout, in the byte order of the machine:
//
//	page      id (8 bytes), kind (2), count (2), overflow pages (4), elements
//	meta      magic (4), version (4), page size (4), flags (4), root (8), sequence (8),
//	          list of free pages (8), number of pages (8), transaction (8), checksum (8)
//	branch    of each element: position (4), length of the key (4), page (8)
//	leaf      of each element: flags (4), position (4), lengths of key and value (4, 4)
//	bucket    a value: root (8), sequence (8); if root is 0, a page follows
//
// Pages 0 and 1 are meta pages; commits write them alternately.
const (
	pageHeader  = 16
	elementSize = 16
	metaSize    = 64

	branchPage = 0x01
	leafPage   = 0x02
	freePage   = 0x10

	bucketElement = 0x01
	noFreeList    = 1<<64 - 1
	magic         = 0xED0CDAED
	maxDepth      = 64 // a tree of bbolt has far fewer levels
	maxProblems   = 100
)

// meta holds the relevant fields of a meta page.
type meta struct {
	pageSize                    int
	root, free, pages, transact uint64
}

// parseMeta parses the meta page at the start of page, and reports whether it is
// valid.
func parseMeta(page []byte) (m meta, ok bool) {
	if len(page) < pageHeader+metaSize {
		return m, false
	}
	b := page[pageHeader : pageHeader+metaSize]
	sum := fnv.New64a()
	sum.Write(b[:56])
	number := binary.NativeEndian.Uint64
	if binary.NativeEndian.Uint32(b) != magic || number(b[56:]) != sum.Sum64() {
		return m, false
	}
	return meta{int(binary.NativeEndian.Uint32(b[8:])), number(b[16:]), number(b[32:]), number(b[40:]), number(b[48:])}, true
}

// findMeta returns the newer meta page. Both must be valid: if only the older one
// were, the store would lack its last transaction without notice.
func findMeta(file []byte) (m meta, err error) {
	first, ok := parseMeta(file)
	if !ok {
		for size := 1 << 10; size <= 1<<24 && size < len(file); size <<= 1 {
			if m, ok := parseMeta(file[size:]); ok && m.pageSize == size {
				return m, damaged("page 0, a header, does not match its checksum")
			}
		}
		return m, errNoDatabase
	}
	if first.pageSize < 1<<10 || first.pageSize >= len(file) {
		return m, damaged("it has %d bytes, less than two pages", len(file))
	}
	second, ok := parseMeta(file[first.pageSize:])
	if !ok || first.pageSize != second.pageSize {
		return m, damaged("page 1, a header, does not match its checksum")
	}
	if second.transact > first.transact {
		first = second
	}
	if first.pages > uint64(len(file)/first.pageSize) {
		return m, damaged("it has %d bytes of %d", len(file), first.pages*uint64(first.pageSize))
	}
	return first, nil
}

// errNoDatabase reports a file that is not a database; bbolt gives a better error for
// it.
var errNoDatabase = errors.New("no header page")

// inspect checks that each page of a file is either used once or free, that all
// lengths are within their page, and that there are no cycles. It returns a
// *store.DamagedError if they are not.
func inspect(file *os.File) (err error) {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	data, err := syscall.Mmap(int(file.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("cannot map it: %w", err)
	}
	defer func() {
		if p := recover(); p != nil { // the disk cannot be read, or the file was truncated
			err = damaged("%v", p)
		}
		err = errors.Join(err, syscall.Munmap(data))
	}()
	m, err := findMeta(data)
	if errors.Is(err, errNoDatabase) {
		return nil
	}
	if err != nil {
		return err
	}
	t := &tree{data: data, meta: m, used: make([]bool, m.pages)}
	t.inspect()
	if len(t.problems) > 0 {
		return &store.DamagedError{Problems: t.problems}
	}
	return nil
}

// tree is the state of an inspection.
type tree struct {
	meta
	data     []byte
	used     []bool // by page; true also for free pages
	problems []string
}

func (t *tree) problem(format string, args ...any) {
	if len(t.problems) < maxProblems {
		t.problems = append(t.problems, fmt.Sprintf(format, args...))
	}
}

func (t *tree) inspect() {
	t.subtree(t.root, 0)
	if t.free == noFreeList { // another program wrote it
		return
	}
	t.freeList()
	for id := uint64(2); id < t.pages; id++ {
		if !t.used[id] {
			t.problem("page %d is neither in use nor free", id)
		}
	}
}

// use marks a page as used, and reports whether that is allowed.
func (t *tree) use(id uint64) bool {
	switch {
	case id < 2 || id >= t.pages:
		t.problem("page %d is referred to, of %d", id, t.pages)
		return false
	case t.used[id]:
		t.problem("page %d is used twice", id)
		return false
	}
	t.used[id] = true
	return true
}

// page returns the content of a page with its overflow pages, its kind and its count.
// The content is nil if the page is invalid.
func (t *tree) page(id uint64) (content []byte, kind, count int) {
	if !t.use(id) {
		return nil, 0, 0
	}
	begin := int(id) * t.pageSize
	b := t.data[begin : begin+t.pageSize]
	further := uint64(binary.NativeEndian.Uint32(b[12:]))
	if own := binary.NativeEndian.Uint64(b); own != id || further >= t.pages-id {
		t.problem("page %d has the header of page %d, with %d more", id, own, further)
		return nil, 0, 0
	}
	for i := range further {
		if !t.use(id + 1 + i) {
			return nil, 0, 0
		}
	}
	kind, count = int(binary.NativeEndian.Uint16(b[8:])), int(binary.NativeEndian.Uint16(b[10:]))
	return t.data[begin : begin+(int(further)+1)*t.pageSize], kind, count
}

func (t *tree) subtree(id uint64, depth int) {
	content, kind, count := t.page(id)
	switch {
	case content == nil:
	case kind == leafPage:
		t.leaf(id, content, count, depth)
	case kind != branchPage || count == 0 || depth == maxDepth || pageHeader+count*elementSize > len(content):
		t.problem("page %d, at level %d, is of kind %d with %d elements", id, depth, kind, count)
	default:
		for i := range count {
			at := pageHeader + i*elementSize
			position, key := binary.NativeEndian.Uint32(content[at:]), binary.NativeEndian.Uint32(content[at+4:])
			if int64(at)+int64(position)+int64(key) > int64(len(content)) {
				t.problem("page %d: element %d is not within it", id, i)
			}
			t.subtree(binary.NativeEndian.Uint64(content[at+8:]), depth+1)
		}
	}
}

// leaf checks a leaf, which is a page or inside one, and the buckets in it.
func (t *tree) leaf(id uint64, content []byte, count, depth int) {
	if pageHeader+count*elementSize > len(content) {
		t.problem("page %d: %d elements are not within it", id, count)
		return
	}
	for i := range count {
		at := pageHeader + i*elementSize
		number := func(offset int) int64 { return int64(binary.NativeEndian.Uint32(content[at+offset:])) }
		begin := int64(at) + number(4) + number(8)
		end := begin + number(12)
		switch {
		case end > int64(len(content)) || number(0) > bucketElement:
			t.problem("page %d: element %d is not within it", id, i)
		case number(0) == bucketElement:
			t.bucket(id, content[begin:end], depth+1)
		}
	}
}

// bucket checks the value of a bucket.
func (t *tree) bucket(id uint64, value []byte, depth int) {
	switch {
	case len(value) < 16 || depth >= maxDepth:
		t.problem("page %d: a bucket in it is none", id)
	case binary.NativeEndian.Uint64(value) != 0:
		t.subtree(binary.NativeEndian.Uint64(value), depth)
	case len(value) < 16+pageHeader || binary.NativeEndian.Uint16(value[16+8:]) != leafPage:
		t.problem("page %d: a bucket in it is none", id)
	default:
		t.leaf(id, value[16:], int(binary.NativeEndian.Uint16(value[16+10:])), depth)
	}
}

// freeList marks the free pages as used. A count that does not fit into the header is
// the first number of the content.
func (t *tree) freeList() {
	content, kind, count := t.page(t.free)
	if content == nil {
		return
	}
	numbers := content[pageHeader:]
	if count == 0xFFFF {
		count, numbers = int(min(binary.NativeEndian.Uint64(numbers), t.pages)), numbers[8:]
	}
	if kind != freePage || count*8 > len(numbers) {
		t.problem("page %d, the list of free pages, is of kind %d with %d elements", t.free, kind, count)
		return
	}
	for i := range count {
		t.use(binary.NativeEndian.Uint64(numbers[i*8:]))
	}
}
