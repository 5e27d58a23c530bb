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

    private static int ParentOf(string directory)
    {
        try
        {
            // pid (name with anything in it) state ppid …
            var stat = File.ReadAllText(Path.Combine(directory, "stat"));
            return int.Parse(stat[(stat.LastIndexOf(')') + 4)..].Split(' ')[0], CultureInfo.InvariantCulture);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
