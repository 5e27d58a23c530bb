namespace OmniPg.Extractor.Trees;

/// <summary>Whether two files hold the same bytes, in constant memory.</summary>
internal static class FileComparison
{
    private const int BufferBytes = 128 * 1024;

    public static bool Same(string left, string right)
    {
        var (first, second) = (new FileInfo(left), new FileInfo(right));
        if (!first.Exists || first.LinkTarget is not null || first.Length != second.Length)
            return false;
        using var a = File.OpenHandle(left);
        using var b = File.OpenHandle(right);
        var (one, two) = (new byte[BufferBytes], new byte[BufferBytes]);
        for (long at = 0; at < first.Length; at += BufferBytes)
        {
            var read = RandomAccess.Read(a, one, at);
            if (RandomAccess.Read(b, two, at) != read || !one.AsSpan(0, read).SequenceEqual(two.AsSpan(0, read)))
                return false;
        }
        return true;
    }
}
