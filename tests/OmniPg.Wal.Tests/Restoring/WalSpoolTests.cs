using Microsoft.Extensions.Logging.Abstractions;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Restoring;

public sealed class WalSpoolTests : IDisposable
{
    private readonly TemporaryDirectory _root = new();

    public void Dispose() => _root.Dispose();

    [Fact]
    public void A_run_that_begins_leaves_the_position_that_is_being_written_and_no_segment()
    {
        var folder = new WalSpool(new WalPrefetchOptions { Spool = _root.Combine("spool") }, NullLogger.Instance).Open(new string('a', 32))!;
        var position = DurableFile.TemporaryNameFor(Path.Combine(folder.FolderPath, ".position"));
        var segment = DurableFile.TemporaryNameFor(Path.Combine(folder.FolderPath, "000000010000000000000002"));
        File.WriteAllText(position, "");
        File.WriteAllText(segment, "");

        folder.Inherit();

        Directory.GetFiles(folder.FolderPath).Should().Equal(position);
    }
}
