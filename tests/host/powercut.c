/* A disk without power: preloaded into a process, it copies each file below the folder POWERCUT_FROM to
 * POWERCUT_TO when the process flushes it (fsync, fdatasync), and at no other time. What is in the
 * copy is what a power cut leaves: nothing that was only written is there. Files that were removed by
 * then are gone, as with the journal of a file system, where a flush takes earlier removals along. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void remove_what_is_gone(const char *from, const char *to)
{
    char here[2 * PATH_MAX], there[2 * PATH_MAX];
    DIR *folder = opendir(to);
    struct dirent *entry;
    if (!folder)
        abort();
    while ((entry = readdir(folder))) {
        snprintf(here, sizeof here, "%s/%s", from, entry->d_name);
        snprintf(there, sizeof there, "%s/%s", to, entry->d_name);
        if (entry->d_name[0] != '.' && !strstr(entry->d_name, ".part") && access(here, F_OK))
            unlink(there);
    }
    closedir(folder);
}

static void copy(int fd)
{
    const char *from = getenv("POWERCUT_FROM");
    const char *to = getenv("POWERCUT_TO");
    char link[64], path[PATH_MAX], target[2 * PATH_MAX], part[2 * PATH_MAX + 8], buffer[65536];
    if (!from || !to)
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return;
    path[n] = 0;
    size_t length = strlen(from);
    if (strncmp(path, from, length) || path[length] != '/' || strchr(path + length + 1, '/'))
        return;
    snprintf(target, sizeof target, "%s%s", to, path + length);
    snprintf(part, sizeof part, "%s.part", target);
    int in = open(path, O_RDONLY), out = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (in < 0 || out < 0)
        abort();
    while ((n = read(in, buffer, sizeof buffer)) > 0)
        if (write(out, buffer, n) != n)
            abort();
    close(in);
    close(out);
    if (rename(part, target))
        abort();
    remove_what_is_gone(from, to);
}

int fsync(int fd)
{
    copy(fd);
    return 0;
}

int fdatasync(int fd)
{
    copy(fd);
    return 0;
}
