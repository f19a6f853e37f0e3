// Package files reads files that an attacker may have written.
//
// It reads only regular files, since a pipe or a device may never end, and limits
// the bytes it reads of each. A Files that is confined to directories reads nothing
// outside them, whatever paths and symbolic links it is given.
package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"syscall"
)

// OutsideError reports a path that leads out of the directories to which a Files is
// confined.
type OutsideError struct{}

func (OutsideError) Error() string { return "leads out of the tree under review" }

// KindError reports a file that is not a regular file.
type KindError struct{ Mode fs.FileMode }

func (e KindError) Error() string {
	switch {
	case e.Mode.IsDir():
		return "is a directory"
	case e.Mode&fs.ModeNamedPipe != 0:
		return "is a pipe, not a regular file"
	case e.Mode&fs.ModeSocket != 0:
		return "is a socket, not a regular file"
	case e.Mode&fs.ModeDevice != 0:
		return "is a device, not a regular file"
	}
	return "is not a regular file"
}

// SizeError reports a file or a stream that is too large to be read.
type SizeError struct {
	Size int64 // in bytes; 0 if it is unknown
	Most int64 // the largest size in bytes that is read
}

func (e SizeError) Error() string {
	if e.Size == 0 {
		return fmt.Sprintf("more than the %d bytes that are read", e.Most)
	}
	return fmt.Sprintf("is %d bytes, more than the %d that are read", e.Size, e.Most)
}

// Refused reports whether err is or wraps an OutsideError, a KindError or a
// SizeError: an error of this package, not of the file system.
func Refused(err error) bool {
	return errors.As(err, new(OutsideError)) || errors.As(err, new(KindError)) || errors.As(err, new(SizeError))
}

// Cause returns the error inside an *fs.PathError or an *os.LinkError, without the
// operation and the path, for a message that names them itself. It returns any
// other error unchanged.
func Cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return err
}

// Read is like Files.Read, without confinement to directories.
func Read(path string, maxBytes int64) ([]byte, error) { return (*Files)(nil).Read(path, maxBytes) }

// ReadAll is like io.ReadAll, but returns a SizeError if there are more than
// maxBytes bytes.
func ReadAll(r io.Reader, maxBytes int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err == nil && int64(len(text)) > maxBytes {
		return nil, SizeError{Most: maxBytes}
	}
	return text, err
}

// Files reads files. A nil *Files is not confined to any directory.
type Files struct{ trees []tree }

// opener opens files by their paths in a directory.
type opener interface {
	Stat(path string) (fs.FileInfo, error)
	OpenFile(path string, flag int, mode fs.FileMode) (*os.File, error)
}

// system opens files anywhere in the file system.
type system struct{}

func (system) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }
func (system) OpenFile(path string, flag int, mode fs.FileMode) (*os.File, error) {
	return os.OpenFile(path, flag, mode)
}

// Read returns the content of a regular file of at most maxBytes bytes. A nil *Files
// also reads the null device, which is empty, and /dev/stdin and the descriptors in
// /dev/fd, which may be pipes, since the caller of the program has opened them. Errors
// are *fs.PathError; they wrap an OutsideError, a KindError or a SizeError if Read
// refuses the file.
func (f *Files) Read(path string, maxBytes int64) ([]byte, error) {
	file, err := f.open(path, maxBytes)
	if err != nil {
		return nil, pathError("open", path, err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	text, err := ReadAll(file, maxBytes)
	if err != nil {
		return nil, pathError("read", path, err)
	}
	return text, nil
}

// Head returns the first n bytes of a regular file, or the whole file if it has
// fewer. Errors are *fs.PathError; they wrap a KindError if Head refuses the file.
func Head(path string, n int64) ([]byte, error) {
	file, err := (*Files)(nil).open(path, math.MaxInt64)
	if err != nil {
		return nil, pathError("open", path, err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(file, n))
	if err != nil {
		return nil, pathError("read", path, err)
	}
	return text, nil
}

// open opens a regular file of at most maxBytes bytes. It checks the kind and the size of the file before
// opening it, since opening a device may have side effects, and again afterwards,
// since the path may lead to another file by then.
func (f *Files) open(path string, maxBytes int64) (*os.File, error) {
	dir, name, err := f.locate(path)
	if err != nil {
		return nil, err
	}
	info, err := dir.Stat(name)
	if err == nil {
		err = f.checkReadable(path, info, maxBytes)
	}
	if err != nil {
		return nil, err
	}
	file, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err = file.Stat(); err == nil {
		err = f.checkReadable(path, info, maxBytes)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// checkReadable returns a KindError for a file that may never end, and a SizeError
// for one that is too large.
func (f *Files) checkReadable(path string, info fs.FileInfo, maxBytes int64) error {
	switch {
	case !info.Mode().IsRegular() && (f != nil || !isNull(info) && !isDescriptor(path) || info.IsDir()):
		return KindError{info.Mode()}
	case info.Size() > maxBytes:
		return SizeError{info.Size(), maxBytes}
	}
	return nil
}

func isNull(info fs.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(info, null)
}

// isDescriptor reports whether a path names a file descriptor of this process.
func isDescriptor(path string) bool {
	return path == "/dev/stdin" || strings.HasPrefix(path, "/dev/fd/")
}

// Stat is like os.Stat. Errors are *fs.PathError; one for a path that leads out of
// the directories wraps an OutsideError.
func (f *Files) Stat(path string) (fs.FileInfo, error) {
	dir, name, err := f.locate(path)
	if err != nil {
		return nil, pathError("stat", path, err)
	}
	info, err := dir.Stat(name)
	if err != nil {
		return nil, pathError("stat", path, err)
	}
	return info, nil
}

// ReadDir is like os.ReadDir. Errors are *fs.PathError; one for a path that leads
// out of the directories wraps an OutsideError.
func (f *Files) ReadDir(path string) ([]fs.DirEntry, error) {
	dir, name, err := f.locate(path)
	if err != nil {
		return nil, pathError("open", path, err)
	}
	file, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, pathError("open", path, err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	entries, err := file.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	if err != nil {
		return entries, pathError("read", path, err)
	}
	return entries, nil
}

// pathError returns an *fs.PathError with the path as the caller named it.
func pathError(op, path string, err error) error {
	var inner *fs.PathError
	if errors.As(err, &inner) {
		err = inner.Err
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}
