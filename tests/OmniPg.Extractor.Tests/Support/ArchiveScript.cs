using System.Text;

namespace OmniPg.Extractor.Tests;

/// <summary>Composes archives in memory.</summary>
internal static class ArchiveScript
{
    public static async Task<byte[]> ComposeAsync(string path, ComposeOptions? options = null)
    {
        await using var archive = await PgArchive.OpenAsync(path, cancellationToken: TestContext.Current.CancellationToken);
        return await ComposeAsync(archive, options);
    }

    public static async Task<byte[]> ComposeAsync(PgArchive archive, ComposeOptions? options = null)
    {
        using var output = new MemoryStream();
        await archive.ComposeSqlAsync(output, options, TestContext.Current.CancellationToken);
        return output.ToArray();
    }

    /// <summary>Fails with the first different line instead of an unreadable dump of bytes.</summary>
    public static void ShouldEqual(byte[] actual, byte[] expected)
    {
        if (actual.AsSpan().SequenceEqual(expected))
            return;
        var (left, right) = (Lines(actual), Lines(expected));
        var line = 0;
        while (line < left.Length && line < right.Length && left[line] == right[line])
            line++;
        left.ElementAtOrDefault(line).Should().Be(right.ElementAtOrDefault(line), "line {0} of {1} and {2} bytes should be equal", line + 1, actual.Length, expected.Length);
    }

    private static string[] Lines(byte[] script) => Encoding.UTF8.GetString(script).Split('\n');
}
