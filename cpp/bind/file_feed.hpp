// The bytes of a frame out of a file, read while the frame is decoded.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "aureole/api.hpp"

namespace aureole {

// Which file it is, and when it was last written, in nanoseconds modulo 2^64.
struct FileIdentity {
    uint64_t device, inode, mtime;

    static FileIdentity of(const struct stat& status) {
#ifdef __APPLE__
        const timespec& time = status.st_mtimespec;
#else
        const timespec& time = status.st_mtim;
#endif
        return {uint64_t(status.st_dev), uint64_t(status.st_ino), uint64_t(time.tv_sec) * 1000000000u + uint64_t(time.tv_nsec)};
    }
    bool operator==(const FileIdentity&) const = default;
};

// A part of a file, which must be what it was when it was looked at.
class FileFeed : public Feed {
  public:
    FileFeed(std::string path, int64_t offset, size_t size, FileIdentity identity)
        : Feed{next, WINDOW}, path_(std::move(path)), offset_(offset), left_(size), identity_(identity) {}
    FileFeed(const FileFeed&) = delete;
    FileFeed& operator=(const FileFeed&) = delete;
    ~FileFeed() { close_file(); }

  private:
    // Few calls into the system, and the windows of a batch stay in cache.
    static constexpr size_t WINDOW = 1 << 17;

    // A file stays open from window to window while the process has few: its number is the lowest that was free.
    bool may_stay_open() const {
        rlimit most;
        return left_ && getrlimit(RLIMIT_NOFILE, &most) == 0 && rlim_t(descriptor_) < most.rlim_cur / 2;
    }

    int32_t open_file() {
        descriptor_ = open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (descriptor_ < 0) return -errno;
        return check();
    }

    int32_t check() const {
        struct stat status;
        if (fstat(descriptor_, &status) != 0) return -errno;
        return FileIdentity::of(status) == identity_ ? OK : CHANGED;
    }

    void close_file() {
        if (descriptor_ < 0) return;
        close(descriptor_);
        descriptor_ = -1;
    }

    int32_t read_on(uint8_t* to, size_t n) {
        while (n) {
            const ssize_t got = pread(descriptor_, to, n, off_t(offset_));
            if (got == 0) return CHANGED;    // it has become shorter
            if (got < 0 && errno != EINTR) return -errno;
            if (got < 0) continue;
            to += got;
            n -= size_t(got);
            left_ -= size_t(got);
            offset_ += got;
        }
        return left_ ? int32_t(OK) : check();    // once more when all was read
    }

    static int32_t next(Feed* feed, uint8_t* to, size_t n) {
        FileFeed* self = static_cast<FileFeed*>(feed);
        int32_t status = self->descriptor_ < 0 ? self->open_file() : int32_t(OK);
        if (status == OK) status = self->read_on(to, n);
        if (!self->may_stay_open()) self->close_file();
        return status;
    }

    std::string path_;
    int64_t offset_;
    size_t left_;
    FileIdentity identity_;
    int descriptor_ = -1;
};

}  // namespace aureole
