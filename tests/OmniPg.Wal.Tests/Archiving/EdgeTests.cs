using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Archiving;

/// <summary>A record that crosses the edge of two segments is checked although a new process, that saw the first segment never, archives the second.</summary>
public sealed class EdgeAtOnceTests(WalWorkloads workloads) : EdgeTests(workloads, inStages: false);

public sealed class EdgeInStagesTests(WalWorkloads workloads) : EdgeTests(workloads, inStages: true);

public abstract class EdgeTests(WalWorkloads workloads, bool inStages) : ArchiveTests(workloads, inStages)
{
    private const int FirstContinuedByte = 60;

    private WalFileName _before;
    private WalFileName _segment;

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task Damage_in_a_record_begun_before_is_refused_and_both_segments_are_named(bool neighbour, bool state)
    {
        Choose();
        var (archive, states) = (Scene.MakeDirectory("archive"), state ? Scene.MakeDirectory("state") : null);
        await using (var first = Archiver(archive, states))
            await first.ArchiveAsync(Scene.Add(_before), Token);
        if (!neighbour)
            File.Delete(Scene.Located(_before));
        var path = AddDamaged();
        await using var second = Archiver(archive, states);

        var fault = (await second.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalValidationException>()).Which;

        fault.Problem.Should().Be(WalValidationProblem.BadCrc);
        (fault.File, fault.BeginsIn).Should().Be((_segment.ToString(), _before.ToString()));
        fault.Message.Should().Contain($"the record begins in '{_before}', and either segment may be damaged");
        ArchiveScene.FilesIn(archive).Should().Equal(_before.ToString());
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public async Task An_undamaged_segment_is_wholly_checked(bool neighbour, bool state)
    {
        Choose();
        var (archive, states) = (Scene.MakeDirectory("archive"), state ? Scene.MakeDirectory("state") : null);
        await using (var first = Archiver(archive, states))
            await first.ArchiveAsync(Scene.Add(_before), Token);
        if (!neighbour)
            File.Delete(Scene.Located(_before));
        await using var second = Archiver(archive, states);

        var result = await second.ArchiveAsync(Scene.Add(_segment), Token);

        result.Summary!.UncheckedUntil.Should().BeNull();
        result.Summary.EdgesUnchecked.Should().BeFalse();
        ArchiveScene.FilesIn(archive).Should().Equal(_before.ToString(), _segment.ToString());
    }

    [Fact]
    public async Task Without_the_segment_before_the_summary_says_what_was_not_checked()
    {
        Choose();
        var path = AddDamaged();
        await using var archiver = Archiver(Scene.MakeDirectory("archive"), null);

        var result = await archiver.ArchiveAsync(path, Token);

        ((ulong)result.Summary!.UncheckedUntil!.Value % (1 << 20)).Should().BeGreaterThan(FirstContinuedByte);
    }

    [Fact]
    public async Task A_state_that_is_damaged_is_discarded_with_a_warning()
    {
        Choose();
        var (archive, states) = (Scene.MakeDirectory("archive"), Scene.MakeDirectory("state"));
        await using (var first = Archiver(archive, states))
            await first.ArchiveAsync(Scene.Add(_before), Token);
        var file = Path.Combine(states, SegmentChain.FileName);
        var content = await File.ReadAllBytesAsync(file, Token);
        using var logs = new Testing.FakeLoggerFactory();
        foreach (var bytes in (byte[][])[[], content[..10], content.With(b => b[content.Length / 2] ^= 1), [.. content, 0]])
        {
            File.Delete(Scene.Located(_before));
            await File.WriteAllBytesAsync(file, bytes, Token);
            await using var second = Archiver(Scene.MakeDirectory(Path.GetRandomFileName()), states, logs);

            (await second.ArchiveAsync(Scene.Add(_segment), Token)).Summary!.UncheckedUntil.Should().NotBeNull();
        }

        logs.Lines.Count(l => l.Message.Contains(SegmentChain.FileName, StringComparison.Ordinal)).Should().Be(4);
    }

    private WalArchiver Archiver(string archive, string? states, Testing.FakeLoggerFactory? logs = null)
    {
        var builder = Scene.Archiver().To(d => d.Directory(archive)).BindTo(ArchiveBinding.Begin);
        builder = states is null ? builder : builder.WithState(states);
        return (logs is null ? builder : builder.UseLogger(logs)).Build();
    }

    // A record of which enough lies in the second segment, and that ends there.
    private void Choose()
    {
        WalChainState? chain = null;
        foreach (var segment in Scene.Segments)
        {
            var summary = Validate.Full(segment, Scene.Original(segment), new WalExpectations { Previous = chain });
            if (chain is { ContinuesInNextBytes: > 100 } && summary.FirstRecord is not null)
            {
                _segment = segment;
                return;
            }

            (_before, chain) = (segment, summary.Next);
        }

        throw new InvalidOperationException("The workload has no such record.");
    }

    private string AddDamaged()
    {
        var path = Scene.Add(_segment);
        File.WriteAllBytes(Scene.Located(_segment), Scene.Original(_segment).With(b => b[FirstContinuedByte] ^= 0x10));
        return path;
    }
}
