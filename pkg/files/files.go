// Package files reads files that somebody else may have written.
//
// It reads regular files only, since a pipe or a device may never end, and no more
// bytes of them than the caller asks for. Confined to directories, it reads nothing
// outside of them, wherever a path or a symbolic link leads.
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

// OutsideError reports a path that leads out of the directories a Files is confined to.
type OutsideError struct{}

func (OutsideError) Error() string { return "leads out of the tree under review" }

// KindError reports a path that is not a regular file.
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

// SizeError reports a file that is too large to be read.
type SizeError struct {
	Size int64 // 0 if it is not known
	Most int64
}

func (e SizeError) Error() string {
	if e.Size == 0 {
		return fmt.Sprintf("more than the %d bytes that are read", e.Most)
	}
	return fmt.Sprintf("is %d bytes, more than the %d that are read", e.Size, e.Most)
}

// Refused reports whether an error is about a file that is not read whatever is in
// it: one of this package's errors.
func Refused(err error) bool {
	return errors.As(err, new(OutsideError)) || errors.As(err, new(KindError)) || errors.As(err, new(SizeError))
}

// Cause returns an error of the file system without the operation and the path, for
// a message that names them in its own way. Other errors are returned as they are.
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

// Read reads a file that may be anywhere. See Files.Read.
func Read(path string, most int64) ([]byte, error) { return (*Files)(nil).Read(path, most) }

// ReadAll is io.ReadAll for what may have no end.
func ReadAll(from io.Reader, most int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(from, most+1))
	if err == nil && int64(len(text)) > most {
		return nil, SizeError{Most: most}
	}
	return text, err
}

// Files reads files. A nil *Files reads them anywhere.
type Files struct{ trees []tree }

// opener is a directory that paths are relative to.
type opener interface {
	Stat(path string) (fs.FileInfo, error)
	OpenFile(path string, flag int, mode fs.FileMode) (*os.File, error)
}

// system is the whole file system.
type system struct{}

func (system) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }
func (system) OpenFile(path string, flag int, mode fs.FileMode) (*os.File, error) {
	return os.OpenFile(path, flag, mode)
}

// Read returns the content of a regular file of at most so many bytes. The null
// device is an empty file; standard input and the other descriptors of /dev/fd,
// which the caller of the program has opened, may be pipes. Errors are *fs.PathError,
// around an OutsideError, a KindError or a SizeError if the file is not read.
func (f *Files) Read(path string, most int64) ([]byte, error) {
	file, err := f.open(path, most)
	if err != nil {
		return nil, failed("open", path, err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	text, err := ReadAll(file, most)
	if err != nil {
		return nil, failed("read", path, err)
	}
	return text, nil
}

// Head returns the first n bytes of a regular file, or all of one that has fewer.
// Errors are *fs.PathError, around a KindError if the file is not read.
func Head(path string, n int64) ([]byte, error) {
	file, err := (*Files)(nil).open(path, math.MaxInt64)
	if err != nil {
		return nil, failed("open", path, err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(file, n))
	if err != nil {
		return nil, failed("read", path, err)
	}
	return text, nil
}

// open opens a regular file of at most so many bytes. The file is looked at before
// it is opened, since opening a device may have effects, and again afterwards,
// since it may be another one by then.
func (f *Files) open(path string, most int64) (*os.File, error) {
	in, at, err := f.find(path)
	if err != nil {
		return nil, err
	}
	info, err := in.Stat(at)
	if err == nil {
		err = f.readable(path, info, most)
	}
	if err != nil {
		return nil, err
	}
	file, err := in.OpenFile(at, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err = file.Stat(); err == nil {
		err = f.readable(path, info, most)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// readable refuses what may not end, and what is too large.
func (f *Files) readable(path string, info fs.FileInfo, most int64) error {
	switch {
	case !info.Mode().IsRegular() && (f != nil || !isNull(info) && !isDescriptor(path) || info.IsDir()):
		return KindError{info.Mode()}
	case info.Size() > most:
		return SizeError{info.Size(), most}
	}
	return nil
}

func isNull(info fs.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(info, null)
}

// isDescriptor reports whether a path names a descriptor of this process.
func isDescriptor(path string) bool {
	return path == "/dev/stdin" || strings.HasPrefix(path, "/dev/fd/")
}

// Stat is os.Stat.
func (f *Files) Stat(path string) (fs.FileInfo, error) {
	in, at, err := f.find(path)
	if err != nil {
		return nil, failed("stat", path, err)
	}
	info, err := in.Stat(at)
	if err != nil {
		return nil, failed("stat", path, err)
	}
	return info, nil
}

// ReadDir is os.ReadDir.
func (f *Files) ReadDir(path string) ([]fs.DirEntry, error) {
	in, at, err := f.find(path)
	if err != nil {
		return nil, failed("open", path, err)
	}
	dir, err := in.OpenFile(at, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, failed("open", path, err)
	}
	defer dir.Close() //nolint:errcheck // it was only read
	entries, err := dir.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	if err != nil {
		return entries, failed("read", path, err)
	}
	return entries, nil
}

// failed makes an error of a path as the caller named it.
func failed(op, path string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}
