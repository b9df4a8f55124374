// Graphs: their nodes, instances and launches.
#include <algorithm>
#include <cstdio>

#include "api.h"

namespace aios::sim::driver {
namespace {

CUgraphNodeType type_of(const Work &work) {
  constexpr CUgraphNodeType kTypes[] = {CU_GRAPH_NODE_TYPE_EMPTY,  CU_GRAPH_NODE_TYPE_KERNEL, CU_GRAPH_NODE_TYPE_MEMCPY,
                                        CU_GRAPH_NODE_TYPE_MEMSET, CU_GRAPH_NODE_TYPE_HOST,   CU_GRAPH_NODE_TYPE_EMPTY};
  return kTypes[work.index()];
}

const char *name_of(const Node &node) {
  const KernelWork *kernel = std::get_if<KernelWork>(&node.work);
  constexpr const char *kNames[] = {"empty", "kernel", "copy", "fill", "host", "free"};
  return kernel != nullptr ? kernel->function->name.c_str() : kNames[node.work.index()];
}

std::unordered_map<const Node *, int> numbers(const Graph &graph) {
  std::unordered_map<const Node *, int> index;
  for (const auto &node : graph.nodes) {
    index.emplace(node.get(), static_cast<int>(index.size()));
  }
  return index;
}

std::shared_ptr<const Plan> make_plan(const Graph &graph, const std::unordered_map<const Node *, int> &index) {
  auto plan = std::make_shared<Plan>();
  plan->next.resize(graph.nodes.size());
  for (const auto &node : graph.nodes) {
    plan->work.push_back(node->work);
    plan->waits.push_back(static_cast<int>(node->after.size()));
    for (const Node *before : node->after) {
      plan->next[static_cast<size_t>(index.at(before))].push_back(index.at(node.get()));
    }
  }
  return plan;
}

/// Whether a graph can be made of nodes that each come after others: false when they wait for each other in a circle.
bool has_order(const Plan &plan) {
  std::vector<int> waits = plan.waits, ready;
  for (size_t i = 0; i < waits.size(); ++i) {
    if (waits[i] == 0) {
      ready.push_back(static_cast<int>(i));
    }
  }
  size_t seen = 0;
  for (; seen < ready.size(); ++seen) {
    for (int next : plan.next[static_cast<size_t>(ready[seen])]) {
      if (--waits[static_cast<size_t>(next)] == 0) {
        ready.push_back(next);
      }
    }
  }
  return seen == waits.size();
}

/// The same nodes in the same order, up to the values they have.
bool same_shape(const Plan &a, const Plan &b) {
  if (a.next != b.next || a.waits != b.waits) {
    return false;
  }
  for (size_t i = 0; i < a.work.size(); ++i) {
    const KernelWork *one = std::get_if<KernelWork>(&a.work[i]), *other = std::get_if<KernelWork>(&b.work[i]);
    if (a.work[i].index() != b.work[i].index() || (one != nullptr && one->function != other->function)) {
      return false;
    }
  }
  return true;
}

CUresult instantiate(Driver &driver, CUgraphExec *created, CUgraph handle) {
  Graph *graph = find(driver.graphs, handle);
  if (graph == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  auto exec = std::make_unique<GraphExec>();
  exec->number = static_cast<std::uint32_t>(++driver.numbers);
  exec->index = numbers(*graph);
  exec->plan = make_plan(*graph, exec->index);
  if (!has_order(*exec->plan)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  driver.execs.insert(exec.get());
  *created = reinterpret_cast<CUgraphExec>(exec.release());
  return CUDA_SUCCESS;
}

/// Adds a node of the caller's; null when a dependency is none of the graph's.
CUresult add(Driver &driver, CUgraphNode *created, CUgraph handle, const CUgraphNode *after, size_t count, Work work) {
  Graph *graph = find(driver.graphs, handle);
  if (graph == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  auto node = std::make_unique<Node>();
  node->graph = graph;
  node->work = std::move(work);
  for (size_t i = 0; i < count; ++i) {
    Node *before = find(driver.nodes, after[i]);
    if (before == nullptr || before->graph != graph) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    node->after.push_back(before);
  }
  *created = reinterpret_cast<CUgraphNode>(node.get());
  show(driver, *graph, node.get());
  graph->nodes.push_back(std::move(node));
  return CUDA_SUCCESS;
}

/// Runs `body(driver, node)` with a node.
template <class Body> CUresult with_node(CUgraphNode handle, Body body) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    Node *node = find(driver.nodes, handle);
    return node == nullptr ? CUDA_ERROR_INVALID_VALUE : body(driver, *node);
  });
}

/// Runs `body(driver, graph)` with a graph.
template <class Body> CUresult with_graph(CUgraph handle, Body body) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    Graph *graph = find(driver.graphs, handle);
    return graph == nullptr ? CUDA_ERROR_INVALID_VALUE : body(driver, *graph);
  });
}

} // namespace

CUresult replace(Driver &driver, CUgraphExec handle, CUgraphNode node_handle, Work work) {
  GraphExec *exec = find(driver.execs, handle);
  auto found =
      exec == nullptr ? decltype(exec->index)::iterator() : exec->index.find(reinterpret_cast<Node *>(node_handle));
  if (exec == nullptr || found == exec->index.end()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  size_t index = static_cast<size_t>(found->second);
  if (exec->plan->work[index].index() != work.index()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  // Launches that were made before keep the plan they have.
  auto plan = std::make_shared<Plan>(*exec->plan);
  plan->work[index] = std::move(work);
  exec->plan = std::move(plan);
  return CUDA_SUCCESS;
}

} // namespace aios::sim::driver

using namespace aios::sim::driver;

CUresult cuGraphCreate(CUgraph *created, unsigned int flags) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    if (flags != 0) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    Graph *graph = new Graph;
    driver.graphs.insert(graph);
    *created = reinterpret_cast<CUgraph>(graph);
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphDestroy(CUgraph handle) {
  return with_graph(handle, [&](Driver &driver, Graph &graph) {
    forget(driver, graph);
    delete &graph;
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphClone(CUgraph *clone, CUgraph handle) {
  return with_graph(handle, [&](Driver &driver, Graph &graph) {
    Graph *copy = new Graph;
    driver.graphs.insert(copy);
    std::unordered_map<const Node *, int> index = numbers(graph);
    for (const auto &node : graph.nodes) {
      auto twin = std::make_unique<Node>();
      twin->graph = copy;
      twin->work = node->work;
      show(driver, *copy, twin.get());
      copy->nodes.push_back(std::move(twin));
    }
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      for (const Node *before : graph.nodes[i]->after) {
        copy->nodes[i]->after.push_back(copy->nodes[static_cast<size_t>(index.at(before))].get());
      }
    }
    *clone = reinterpret_cast<CUgraph>(copy);
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphAddEmptyNode(CUgraphNode *created, CUgraph graph, const CUgraphNode *after, size_t count) {
  return with_driver([&](Driver &driver, Lock &) { return add(driver, created, graph, after, count, EmptyWork{}); });
}

CUresult cuGraphAddKernelNode_v2(CUgraphNode *created, CUgraph graph, const CUgraphNode *after, size_t count,
                                 const CUDA_KERNEL_NODE_PARAMS *parameters) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    KernelWork work;
    CUresult error = read_kernel(driver, *parameters, work);
    return error != CUDA_SUCCESS ? error : add(driver, created, graph, after, count, std::move(work));
  });
}

CUresult cuGraphAddDependencies(CUgraph handle, const CUgraphNode *from, const CUgraphNode *to, size_t count) {
  return with_graph(handle, [&](Driver &driver, Graph &graph) -> CUresult {
    for (size_t i = 0; i < count; ++i) {
      Node *before = find(driver.nodes, from[i]), *node = find(driver.nodes, to[i]);
      if (before == nullptr || node == nullptr || before->graph != &graph || node->graph != &graph) {
        return CUDA_ERROR_INVALID_VALUE;
      }
      node->after.push_back(before);
    }
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphGetNodes(CUgraph handle, CUgraphNode *nodes, size_t *count) {
  return with_graph(handle, [&](Driver &, Graph &graph) {
    write_list(nodes, count, graph.shown);
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphGetRootNodes(CUgraph handle, CUgraphNode *nodes, size_t *count) {
  return with_graph(handle, [&](Driver &, Graph &graph) {
    std::vector<Node *> roots = graph.shown;
    std::erase_if(roots, [](const Node *node) { return !node->after.empty(); });
    write_list(nodes, count, roots);
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphGetEdges(CUgraph handle, CUgraphNode *from, CUgraphNode *to, size_t *count) {
  return with_graph(handle, [&](Driver &, Graph &graph) {
    std::vector<Node *> starts, ends;
    for (Node *node : graph.shown) {
      for (Node *before : node->after) {
        starts.push_back(before);
        ends.push_back(node);
      }
    }
    size_t room = *count;
    write_list(from, &room, starts);
    write_list(to, count, ends);
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphNodeGetDependencies(CUgraphNode handle, CUgraphNode *nodes, size_t *count) {
  return with_node(handle, [&](Driver &, Node &node) {
    write_list(nodes, count, node.after);
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphNodeGetType(CUgraphNode handle, CUgraphNodeType *type) {
  return with_node(handle, [&](Driver &, Node &node) {
    *type = type_of(node.work);
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *created, CUgraph graph, unsigned long long) {
  return with_driver([&](Driver &driver, Lock &) { return instantiate(driver, created, graph); });
}

CUresult cuGraphInstantiateWithParams(CUgraphExec *created, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS *parameters) {
  return with_driver([&](Driver &driver, Lock &) {
    CUresult error = instantiate(driver, created, graph);
    parameters->result_out = error == CUDA_SUCCESS ? CUDA_GRAPH_INSTANTIATE_SUCCESS : CUDA_GRAPH_INSTANTIATE_ERROR;
    return error;
  });
}

CUresult cuGraphExecUpdate_v2(CUgraphExec handle, CUgraph graph_handle, CUgraphExecUpdateResultInfo *result) {
  return with_graph(graph_handle, [&](Driver &driver, Graph &graph) -> CUresult {
    GraphExec *exec = find(driver.execs, handle);
    if (exec == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    std::shared_ptr<const Plan> plan = make_plan(graph, numbers(graph));
    bool same = same_shape(*plan, *exec->plan);
    *result = {};
    result->result = same ? CU_GRAPH_EXEC_UPDATE_SUCCESS : CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
    if (same) {
      exec->plan = plan;
    }
    return same ? CUDA_SUCCESS : CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  });
}

CUresult cuGraphExecDestroy(CUgraphExec handle) {
  return with_driver([&](Driver &driver, Lock &) -> CUresult {
    GraphExec *exec = find(driver.execs, handle);
    if (exec == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    driver.execs.erase(exec);
    delete exec; // launches have their plans
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphLaunch(CUgraphExec handle, CUstream stream_handle) {
  return with_stream(stream_handle, [&](Driver &driver, Lock &, Stream &stream) -> CUresult {
    GraphExec *exec = find(driver.execs, handle);
    if (exec == nullptr || stream.capture != nullptr) {
      return exec == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    return enqueue(driver, stream, *exec);
  });
}

CUresult cuGraphUpload(CUgraphExec handle, CUstream stream) {
  return with_stream(stream, [&](Driver &driver, Lock &, Stream &) {
    return find(driver.execs, handle) == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
  });
}

CUresult cuGraphDebugDotPrint(CUgraph handle, const char *path, unsigned int) {
  return with_graph(handle, [&](Driver &, Graph &graph) -> CUresult {
    std::FILE *file = std::fopen(path, "w");
    if (file == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    std::fputs("digraph {\n", file);
    for (const auto &node : graph.nodes) {
      const void *self = node.get();
      std::fprintf(file, "  \"%p\" [label=\"%s\"]\n", self, name_of(*node));
      for (const Node *before : node->after) {
        std::fprintf(file, "  \"%p\" -> \"%p\"\n", static_cast<const void *>(before), self);
      }
    }
    std::fputs("}\n", file);
    return std::fclose(file) == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  });
}
