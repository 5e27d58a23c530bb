using Microsoft.Extensions.Logging.Abstractions;
using OmniPg.Shared;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Drill;

/// <summary>Folders of drills that were killed while they made or removed them.</summary>
public sealed class DrillScratchTests : IDisposable
{
    private const string Marker = "omnipg-drill.json";
    private const string Lock = "omnipg-drill.lock";
    private readonly TemporaryDirectory _parent = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _parent.Dispose();

    [Theory]
    [InlineData("nothing")]
    [InlineData("a lock")]
    [InlineData("a lock and a marker without content")]
    [InlineData("a lock and the beginning of a marker")]
    [InlineData("a marker and no lock")]
    public async Task What_a_drill_leaves_that_was_killed_before_its_marker_or_behind_it_is_removed(string left)
    {
        var root = _parent.Combine("omnipg-drill-left");
        string marker;
        using (DrillScratch.Make(_parent.Path))
            marker = (await File.ReadAllTextAsync(Directory.GetFiles(_parent.Path, Marker, SearchOption.AllDirectories).Single(), Token)).Replace(Path.GetFileName(Directory.GetDirectories(_parent.Path).Single()), Path.GetFileName(root), StringComparison.Ordinal);
        Directory.CreateDirectory(root);
        if (left.StartsWith("a lock", StringComparison.Ordinal))
            await File.WriteAllTextAsync(Path.Combine(root, Lock), "1\n", Token);
        if (left.Contains("marker", StringComparison.Ordinal))
            await File.WriteAllTextAsync(Path.Combine(root, Marker), left.EndsWith("content", StringComparison.Ordinal) ? "" : left.Contains("beginning", StringComparison.Ordinal) ? marker[..20] : marker, Token);

        await DrillScratch.SweepAsync(_parent.Path, NullLogger.Instance, Token);

        Directory.GetFileSystemEntries(_parent.Path).Should().BeEmpty();
    }

    [Fact]
    public async Task What_a_living_drill_has_just_made_and_what_is_somebody_elses_is_left_alone()
    {
        var (locked, filled, odd) = (Made("locked"), Made("filled"), Made("odd"));
        using var held = FileLock.TryAcquire(Path.Combine(locked, Lock));
        await File.WriteAllTextAsync(Path.Combine(filled, Lock), "", Token);
        await File.WriteAllTextAsync(Path.Combine(filled, "precious"), "x", Token);
        await File.WriteAllTextAsync(Path.Combine(odd, Marker), "no marker", Token);

        await DrillScratch.SweepAsync(_parent.Path, NullLogger.Instance, Token);

        Directory.GetDirectories(_parent.Path).Should().BeEquivalentTo([locked, filled, odd]);
        Directory.GetFiles(filled).Should().HaveCount(2);
    }

    [Fact]
    public async Task Drills_that_begin_and_end_while_others_sweep_keep_their_folders_and_leave_none()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var sweeping = Enumerable.Range(0, 2).Select(_ => Task.Run(
            async () =>
            {
                while (!stop.IsCancellationRequested)
                    await DrillScratch.SweepAsync(_parent.Path, NullLogger.Instance, Token);
            },
            Token)).ToArray();
        var lost = 0;

        try
        {
            await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => Task.Run(
                () =>
                {
                    for (var i = 0; i < 300; i++)
                    {
                        using var scratch = DrillScratch.Make(_parent.Path);
                        Directory.CreateDirectory(scratch.Data);
                        if (!File.Exists(Path.Combine(scratch.Root, Marker)) || !FileLock.IsHeld(Path.Combine(scratch.Root, Lock)))
                            Interlocked.Increment(ref lost);
                    }
                },
                Token)));
        }
        finally
        {
            await stop.CancelAsync();
        }

        await Task.WhenAll(sweeping);
        await DrillScratch.SweepAsync(_parent.Path, NullLogger.Instance, Token);

        lost.Should().Be(0);
        Directory.GetFileSystemEntries(_parent.Path).Should().BeEmpty();
    }

    private string Made(string name) => Directory.CreateDirectory(_parent.Combine($"omnipg-drill-{name}")).FullName;
}
