using System.Globalization;

namespace OmniPg.Testing;

/// <summary>Children of a process, read from /proc.</summary>
public static class ProcessTree
{
    /// <summary>Direct children.</summary>
    /// <param name="processId">The parent.</param>
    /// <returns>Process ids, in no order; empty where /proc does not exist.</returns>
    public static IReadOnlyList<int> ChildrenOf(int processId)
    {
        if (!Directory.Exists("/proc"))
            return [];
        var children = new List<int>();
        foreach (var directory in Directory.GetDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), NumberStyles.None, CultureInfo.InvariantCulture, out var id) && ParentOf(directory) == processId)
                children.Add(id);
        }
        return children;
    }

    /// <summary>Whether a process runs still; one that only waits to be looked at by its parent does not.</summary>
    /// <param name="processId">The process.</param>
    public static bool IsAlive(int processId) => Fields($"/proc/{processId.ToString(CultureInfo.InvariantCulture)}") is [not ("Z" or "X"), ..];

    private static int ParentOf(string directory) => Fields(directory) is [_, var parent, ..] ? int.Parse(parent, CultureInfo.InvariantCulture) : 0;

    // pid (name with anything in it) state ppid …: from the state on; empty when the process is gone.
    private static string[] Fields(string directory)
    {
        try
        {
            var stat = File.ReadAllText(Path.Combine(directory, "stat"));
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
