// The bytes of a frame out of a file, read while the frame is decoded.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "aureole/api.hpp"

namespace aureole {

// A part of a file, which must be the one that was looked at before: of the same device and inode.
class FileFeed : public Feed {
  public:
    FileFeed(std::string path, int64_t offset, uint64_t device, uint64_t inode)
        : Feed{next, WINDOW}, path_(std::move(path)), offset_(offset), device_(device), inode_(inode) {}
    FileFeed(const FileFeed&) = delete;
    FileFeed& operator=(const FileFeed&) = delete;
    ~FileFeed() {
        if (descriptor_ >= 0) close(descriptor_);
    }

  private:
    // Few calls into the system, and the windows of a batch stay in cache.
    static constexpr size_t WINDOW = 1 << 17;

    int32_t open_file() {
        descriptor_ = open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (descriptor_ < 0) return errno == ENOENT ? GONE : UNREADABLE;
        struct stat status;
        if (fstat(descriptor_, &status) != 0) return UNREADABLE;
        return uint64_t(status.st_dev) == device_ && uint64_t(status.st_ino) == inode_ ? OK : CHANGED;
    }

    static int32_t next(Feed* feed, uint8_t* to, size_t n) {
        FileFeed* self = static_cast<FileFeed*>(feed);
        if (self->descriptor_ < 0) {
            const int32_t status = self->open_file();
            if (status != OK) return status;
        }
        while (n) {
            const ssize_t got = pread(self->descriptor_, to, n, off_t(self->offset_));
            if (got == 0) return CHANGED;    // it has become shorter
            if (got < 0 && errno != EINTR) return UNREADABLE;
            if (got < 0) continue;
            to += got;
            n -= size_t(got);
            self->offset_ += got;
        }
        return OK;
    }

    std::string path_;
    int64_t offset_;
    uint64_t device_, inode_;
    int descriptor_ = -1;
};

}  // namespace aureole
