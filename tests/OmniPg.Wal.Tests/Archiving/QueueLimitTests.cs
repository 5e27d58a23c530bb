using Microsoft.Extensions.Logging;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Archiving;

/// <summary>A queue with a limit: WAL is given up rather than the server's disk filled, and everybody is told.</summary>
public sealed class QueueLimitTests(WalWorkloads workloads) : ArchiveTests(workloads)
{
    private const long Limit = 16 << 20;

    [Fact]
    public async Task Without_a_limit_nothing_is_given_up_however_much_waits()
    {
        MakeReady(40);
        var archive = Scene.MakeDirectory("archive");
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).WithState(Scene.MakeDirectory("state")).Build();

        var result = await archiver.ArchiveAsync(Scene.Add(), Token);

        (result.IsArchived, result.IsDropped).Should().Be((true, false));
        ArchiveScene.FilesIn(archive).Should().Equal(Scene.Segment.ToString());
    }

    [Fact]
    public async Task Beyond_the_limit_segments_are_given_up_loudly_and_the_archive_learns_of_them_behind_the_next_file()
    {
        var (archive, state) = (Scene.MakeDirectory("archive"), Scene.MakeDirectory("state"));
        using var logs = new FakeLoggerFactory();
        using var meter = new MeterRecorder(WalTelemetry.Name);
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).WithState(state).With(o => o.QueueLimit = Limit).UseLogger(logs).Build();
        var (before, lost, behind) = (Scene.Segments[1], Scene.Segments[2], Scene.Segments[3]);
        await archiver.ArchiveAsync(Scene.Add(before), Token);

        MakeReady(17);
        var dropped = await archiver.ArchiveAsync(Scene.Add(lost), Token);
        MakeReady(16);
        var next = await archiver.ArchiveAsync(Scene.Add(behind), Token);

        (dropped.IsDropped, dropped.IsArchived, next.IsArchived).Should().Be((true, false, true));
        logs.Lines.Should().ContainSingle(l => l.Level == LogLevel.Critical).Which.Message.Should().StartWith($"{lost} was given up: more than {Limit} bytes of WAL wait");
        meter.All.Should().ContainSingle(m => m.Instrument == "omnipg.wal.archive.segments" && Equals(m.Tags["status"], "dropped"));
        ArchiveScene.FilesIn(archive).Should().BeEquivalentTo($"{before}", $"{behind}", $"dropped/{lost}.json");
        Directory.GetFiles(state, "*.dropped").Should().BeEmpty();
        var gaps = (await new WalRepository(new DirectoryObjectStore(archive)).VerifyAsync(cancellationToken: Token)).Gaps;
        gaps.Should().Equal(new WalGap(1, lost, lost, 1) { Dropped = 1 });
    }

    [Fact]
    public async Task The_resident_mode_which_archives_ahead_of_the_server_knows_no_limit()
    {
        await using var archiver = Scene.Archiver().To(d => d.Directory(Scene.MakeDirectory("archive"))).WithState(Scene.MakeDirectory("state")).With(o => o.QueueLimit = Limit).Build();

        var starting = () => new WalResident(archiver, new WalResidentOptions { SpoolDirectory = Scene.MakeDirectory("spool") });

        starting.Should().Throw<WalConfigurationException>().WithMessage("The resident mode knows no QueueLimit*");
    }

    [Fact]
    public async Task An_archive_that_does_not_answer_is_told_when_it_does()
    {
        var (archive, state) = (Scene.MakeDirectory("archive"), Scene.MakeDirectory("state"));
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).WithState(state).With(o => o.QueueLimit = Limit).Build();
        await archiver.ArchiveAsync(Scene.Add(Scene.Segments[1]), Token);
        Directory.Move(archive, archive + "-away");

        MakeReady(17);
        var dropped = await archiver.ArchiveAsync(Scene.Add(Scene.Segments[2]), Token);
        MakeReady(1);
        await archiver.Awaiting(a => a.ArchiveAsync(Scene.Add(Scene.Segments[3]), Token)).Should().ThrowAsync<WalDeliveryException>();
        var kept = Directory.GetFiles(state, "*.dropped").Select(Path.GetFileName);
        Directory.Move(archive + "-away", archive);
        await archiver.ArchiveAsync(Scene.Add(Scene.Segments[3]), Token);

        dropped.IsDropped.Should().BeTrue();
        kept.Should().Equal($"{Scene.Segments[2]}.dropped");
        File.Exists(Path.Combine(archive, "dropped", $"{Scene.Segments[2]}.json")).Should().BeTrue();
    }

    [Fact]
    public async Task A_required_archive_that_is_not_mounted_is_told_when_it_is()
    {
        var (archive, mount, state) = (Scene.MakeDirectory("archive"), Path.Combine(Scene.Root, "mount"), Scene.MakeDirectory("state"));
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).To(d => d.Directory(mount).WhenExists()).WithState(state).With(o => o.QueueLimit = Limit).Build();
        await archiver.ArchiveAsync(Scene.Add(Scene.Segments[1]), Token);
        MakeReady(17);
        await archiver.ArchiveAsync(Scene.Add(Scene.Segments[2]), Token);
        MakeReady(1);

        await archiver.ArchiveAsync(Scene.Add(Scene.Segments[3]), Token);
        var kept = Directory.GetFiles(state, "*.dropped").Select(Path.GetFileName);
        Directory.CreateDirectory(mount);
        await archiver.ArchiveAsync(Scene.Add(Scene.Segments[4]), Token);

        kept.Should().Equal($"{Scene.Segments[2]}.dropped");
        foreach (var place in (string[])[archive, mount])
            File.Exists(Path.Combine(place, "dropped", $"{Scene.Segments[2]}.json")).Should().BeTrue(place);
        Directory.GetFiles(state, "*.dropped").Should().BeEmpty();
    }

    /// <summary>Makes so many segments wait, and no others.</summary>
    private void MakeReady(int count)
    {
        var status = Path.Combine(Scene.DataDirectory, "pg_wal", "archive_status");
        foreach (var ready in Directory.GetFiles(status, "*.ready"))
            File.Delete(ready);
        for (var number = 0; number < count; number++)
            File.WriteAllText(Path.Combine(status, $"0000000100000001{number:X8}.ready"), "");
    }
}
