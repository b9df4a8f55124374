// How many workers a process gets and how they wait: affinity masks, quotas of control groups, launchers of ranks.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>

#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel_test.h"
#include "placement.h"
#include "pool.h"
#include "topology.h"

namespace {

using aios::cpu::Resources;
using kernel_test::Stream;

/// A directory with the files of a control group hierarchy, gone with the test.
class FakeRoot {
public:
  FakeRoot() {
    std::string pattern = (std::filesystem::temp_directory_path() / "aios-cgroup-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  ~FakeRoot() { std::filesystem::remove_all(path_); }
  FakeRoot(const FakeRoot &) = delete;
  FakeRoot &operator=(const FakeRoot &) = delete;

  void file(const std::string &name, const std::string &text) const {
    const std::filesystem::path path = path_ + name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  double quota() const { return aios::cpu::quota_cores(path_.c_str()); }

private:
  std::string path_;
};

constexpr double kNoLimit = 1e6;

TEST(Quota, WithoutControlGroupsThereIsNone) {
  EXPECT_GT(FakeRoot().quota(), kNoLimit);
}

TEST(Quota, TheLowestOfAllLevelsCounts) {
  const FakeRoot root;
  root.file("/proc/self/cgroup", "0::/system.slice/job/inner\n");
  root.file("/sys/fs/cgroup/system.slice/job/inner/cpu.max", "max 100000\n");
  EXPECT_GT(root.quota(), kNoLimit);
  root.file("/sys/fs/cgroup/system.slice/cpu.max", "350000 100000\n");
  EXPECT_DOUBLE_EQ(root.quota(), 3.5);
  root.file("/sys/fs/cgroup/system.slice/job/cpu.max", "40000 20000\n");
  EXPECT_DOUBLE_EQ(root.quota(), 2);
  root.file("/sys/fs/cgroup/system.slice/job/inner/cpu.max", "800000 100000\n");
  EXPECT_DOUBLE_EQ(root.quota(), 2);
  root.file("/sys/fs/cgroup/cpu.max", "50000 100000\n"); // as a container sees its own group
  EXPECT_DOUBLE_EQ(root.quota(), 0.5);
}

TEST(Quota, TheFirstVersionIsReadWhereItsControllerIs) {
  const FakeRoot root;
  root.file("/proc/self/cgroup", "5:memory:/elsewhere\n4:cpu,cpuacct:/docker/abc\n3:cpuset:/docker/abc\n0::/\n");
  root.file("/sys/fs/cgroup/cpu/elsewhere/cpu.cfs_quota_us", "10000\n");
  root.file("/sys/fs/cgroup/cpu/elsewhere/cpu.cfs_period_us", "100000\n");
  root.file("/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "-1\n");
  root.file("/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000\n");
  EXPECT_GT(root.quota(), kNoLimit);
  root.file("/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "150000\n");
  EXPECT_DOUBLE_EQ(root.quota(), 1.5);
  // A container may see its group's files at the top, and a path that does not exist there.
  const FakeRoot container;
  container.file("/proc/self/cgroup", "4:cpuacct,cpu:/docker/abc\n");
  container.file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
  container.file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_DOUBLE_EQ(container.quota(), 2);
}

TEST(Placement, WorkersAreAsManyAsTheShareHasCores) {
  const struct {
    Resources resources;
    int workers;
    bool spin; // whether so many have a core each
  } cases[] = {
      {{8, 1e9, 1}, 8, true}, {{8, 3, 1}, 3, true},   {{8, 2.5, 1}, 3, false}, {{8, 0.2, 1}, 1, false},
      {{8, 1e9, 2}, 4, true}, {{8, 1e9, 3}, 2, true}, {{2, 1e9, 2}, 1, true},  {{2, 1e9, 4}, 1, false},
      {{16, 4, 2}, 2, true},  {{16, 3, 2}, 1, true},  {{1, 1e9, 1}, 1, true},
  };
  for (const auto &expected : cases) {
    SCOPED_TRACE(testing::Message() << expected.resources.cores << " cores, quota " << expected.resources.quota << ", "
                                    << expected.resources.local_ranks << " ranks");
    EXPECT_EQ(aios::cpu::workers_for(expected.resources), expected.workers);
    EXPECT_EQ(aios::cpu::enough_for(expected.resources, expected.workers), expected.spin);
    EXPECT_FALSE(aios::cpu::enough_for(expected.resources, expected.workers + 1));
  }
}

#if !defined(__SANITIZE_THREAD__) // which does not follow threads into a forked child

/// Runs `test` in a child and returns what it returns: the text of a problem, or nothing.
template <class F> std::string in_child(const F &test) {
  int ends[2];
  if (pipe(ends) != 0)
    return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    const std::string problem = test();
    const bool written = write(ends[1], problem.data(), problem.size()) == static_cast<ssize_t>(problem.size());
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  std::string problem;
  char buffer[256];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;)
    problem.append(buffer, static_cast<size_t>(n));
  close(ends[0]);
  int status = -1;
  waitpid(child, &status, 0);
  return status == 0 ? problem : problem + " (the child failed)";
}

/// Binds the calling process to the first of its processors.
bool bind_to_one() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0)
    return false;
  bool found = false;
  for (size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set) && std::exchange(found, true))
      CPU_CLR(cpu, &set);
  return sched_setaffinity(0, sizeof set, &set) == 0;
}

void forget_launcher() {
  for (const char *name :
       {"AIOS_CPU_THREADS", "AIOS_LOCAL_RANKS", "LOCAL_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"})
    unsetenv(name);
}

std::string differs(const char *what, int actual, int expected) {
  return actual == expected ? "" : std::string(what) + " is " + std::to_string(actual);
}

TEST(Placement, TheAffinityMaskDecides) {
  EXPECT_EQ(in_child([] {
              forget_launcher();
              return bind_to_one() ? differs("default_workers", aios::cpu::default_workers(), 1) : "cannot bind";
            }),
            "");
}

TEST(Placement, RanksShareTheProcessorsUnlessTheLauncherBoundThem) {
  EXPECT_EQ(in_child([] {
              forget_launcher();
              setenv("LOCAL_WORLD_SIZE", "3", 1);
              return differs("local_ranks", aios::cpu::measure_resources().local_ranks, 3);
            }),
            "");
  EXPECT_EQ(in_child([] {
              forget_launcher();
              setenv("LOCAL_WORLD_SIZE", "3", 1);
              setenv("AIOS_LOCAL_RANKS", "2", 1);
              return differs("local_ranks", aios::cpu::measure_resources().local_ranks, 2);
            }),
            "");
  if (aios::cpu::affinity_cores() < 2)
    GTEST_SKIP() << "with one processor a bound child cannot be told from its parent";
  EXPECT_EQ(in_child([] {
              forget_launcher();
              setenv("LOCAL_WORLD_SIZE", "3", 1);
              return bind_to_one() ? differs("local_ranks", aios::cpu::measure_resources().local_ranks, 1)
                                   : "cannot bind";
            }),
            "");
}

TEST(Placement, TheEnvironmentNamesTheNumberOfWorkers) {
  EXPECT_EQ(in_child([] {
              setenv("AIOS_CPU_THREADS", "5", 1);
              return differs("default_workers", aios::cpu::default_workers(), 5);
            }),
            "");
  for (const char *value : {"0", "1025", "two", "2x", "-1"})
    EXPECT_EQ(in_child([value]() -> std::string {
                setenv("AIOS_CPU_THREADS", value, 1);
                aios_cpu_info info;
                if (aios_cpu_get_info(&info) != AIOS_STATUS_INVALID_ARGUMENT)
                  return "it was accepted";
                return std::string(aios_last_error()).find("AIOS_CPU_THREADS") != std::string::npos ? "" : "no name";
              }),
              "")
        << value;
}

TEST(Adversary, ItsSeedInTheEnvironmentIsANumber) {
  for (const char *value : {"0", "x", "7x", "-1", "99999999999"})
    EXPECT_EQ(in_child([value]() -> std::string {
                setenv("AIOS_CPU_ADVERSARY", value, 1);
                aios_cpu_info info;
                if (aios_cpu_get_info(&info) != AIOS_STATUS_INVALID_ARGUMENT)
                  return "it was accepted";
                return std::string(aios_last_error()).find("AIOS_CPU_ADVERSARY") != std::string::npos ? "" : "no name";
              }),
              "")
        << value;
}

/// Seconds of processor time that the process has used.
double processor_time() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval &t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

constexpr std::chrono::milliseconds kPause{300};

/// The text of a problem when f, which lasts `kPause` or longer and computes nothing, uses more than half a core.
template <class F> std::string uses_little_time(const char *what, const F &f) {
  const double before = processor_time();
  const auto start = std::chrono::steady_clock::now();
  f();
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double used = processor_time() - before;
  return used < wall / 2 ? "" : std::string(what) + " used " + std::to_string(used / wall) + " of a core; ";
}

/// Waits of every kind with nothing to compute: idle workers, the host, a loop's owner.
std::string waits_without_work(int workers) {
  aios_stream stream = nullptr;
  if (aios_cpu_set_threads(workers) != AIOS_STATUS_OK ||
      aios_cpu_stream_create(&stream, AIOS_CPU_PRIORITY_NORMAL) != AIOS_STATUS_OK)
    return aios_last_error();
  for (int i = 0; i < 100; ++i)
    aios::enqueue(stream, [](aios::Team &team) { team.parallel_for(8, [](int64_t, int) {}); });
  aios_cpu_stream_synchronize(stream);
  std::string problem = uses_little_time("an idle pool", [] { std::this_thread::sleep_for(kPause); });
  problem += uses_little_time("a waiting host", [=] {
    aios::enqueue(stream, [](aios::Team &) { std::this_thread::sleep_for(kPause); });
    aios_cpu_stream_synchronize(stream);
  });
  std::counting_semaphore<8> taken(0);
  problem += uses_little_time("a waiting owner", [=, &taken] {
    aios::enqueue(stream, [&taken](aios::Team &team) {
      team.parallel_for(2, [&taken](int64_t task, int) {
        if (task == 0) {
          taken.acquire();
        } else {
          taken.release();
          std::this_thread::sleep_for(kPause);
        }
      });
    });
    aios_cpu_stream_synchronize(stream);
  });
  aios_cpu_stream_destroy(stream);
  return problem;
}

TEST(Placement, WaitingUsesNoProcessorTime) {
  EXPECT_EQ(in_child([] { return waits_without_work(2); }), "");
}

TEST(Placement, WorkersWithoutACoreEachDoNotSpin) {
  EXPECT_EQ(in_child([]() -> std::string {
              forget_launcher();
              if (!bind_to_one())
                return "cannot bind";
              std::string problem = waits_without_work(4);
              if (aios::cpu::Pool::instance().spins())
                problem += "four workers on one processor spin";
              return problem;
            }),
            "");
  EXPECT_EQ(in_child([]() -> std::string {
              forget_launcher();
              setenv("AIOS_LOCAL_RANKS", "1000000", 1);
              const aios_status status = aios_cpu_set_threads(aios::cpu::Pool::instance().threads() + 1);
              return status == AIOS_STATUS_OK && !aios::cpu::Pool::instance().spins() ? "" : "a rank of many spins";
            }),
            "");
}

TEST(Placement, AWorkerThatWasWokenHasItsWholeMaskAgain) {
  EXPECT_EQ(in_child([]() -> std::string {
              aios_stream stream = nullptr;
              if (aios_cpu_set_threads(2) != AIOS_STATUS_OK ||
                  aios_cpu_stream_create(&stream, AIOS_CPU_PRIORITY_NORMAL) != AIOS_STATUS_OK)
                return aios_last_error();
              const int cores = aios::cpu::affinity_cores();
              std::atomic<int> narrow{0};
              for (int i = 0; i < 20; ++i) {
                std::this_thread::sleep_for(std::chrono::milliseconds(2)); // long enough for the workers to sleep
                aios::enqueue(stream, [=, &narrow](aios::Team &team) {
                  team.parallel_for(2, [=, &narrow](int64_t, int) {
                    narrow += aios::cpu::affinity_cores() != cores;
                    std::this_thread::sleep_for(std::chrono::milliseconds(1)); // so that both workers take part
                  });
                });
                aios_cpu_stream_synchronize(stream);
              }
              return differs("number of tasks on a narrowed mask", narrow.load(), 0);
            }),
            "");
}

#endif

} // namespace
