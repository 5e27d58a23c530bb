using System.Buffers.Binary;
using Microsoft.Extensions.Logging;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Archiving;
using OmniPg.Wal.Tests.Cli;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Versions;

/// <summary>A server that is newer than this package: its WAL is archived and comes back, with what can be checked checked.</summary>
public sealed class NewerServerTests(WalWorkloads workloads) : ArchiveTests(workloads)
{
    private const uint NewControlVersion = 2100;
    private const ushort NewMagic = 0xD1F0;

    [Fact]
    public async Task Its_segments_are_archived_by_their_header_with_one_warning_and_its_marker_names_the_major()
    {
        var (first, second, archive) = (AddNewer(1), AddNewer(2), Scene.MakeDirectory("archive"));
        using var logs = new FakeLoggerFactory();
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).UseLogger(logs).Build();

        var result = await archiver.ArchiveAsync(first, Token);
        await archiver.ArchiveAsync(second, Token);

        result.Summary!.Should().BeEquivalentTo(new { Level = WalValidation.Header, PgMajor = 0, Magic = NewMagic, SegmentSize = 1 << 20, End = WalSegmentEnd.NotRead });
        ArchiveScene.FilesIn(archive).Should().Equal(Scene.Segments[1].ToString(), Scene.Segments[2].ToString());
        logs.Lines.Where(e => e.Level >= LogLevel.Warning).Should().ContainSingle().Which.Message.Should().Contain("newer than this package");
        await using var store = new DirectoryObjectStore(archive);
        (await WalArchiveMarker.ReadAsync(store, Token))!.Should().BeEquivalentTo(new { PgVersion = Scene.Major, WalSegmentSize = 1 << 20 });
    }

    [Fact]
    public async Task A_segment_of_another_cluster_is_refused_all_the_same()
    {
        var path = AddNewer(1);
        AddNewer(2);
        Change(1, b => b[24] ^= 1);
        var archive = Scene.MakeDirectory("archive");
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).Build();

        (await archiver.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalValidationException>()).Which.Problem.Should().Be(WalValidationProblem.ForeignCluster);
    }

    [Fact]
    public async Task An_older_or_damaged_version_number_is_no_newer_server()
    {
        var path = AddNewer(1);
        Scene.WriteControlFile(SystemIdentifier, version: 1301);
        await using var archiver = Scene.Archiver().To(d => d.Directory(Scene.MakeDirectory("archive"))).Build();

        (await archiver.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalControlFileException>()).Which.Code.Should().Be("wal.control.unknown-version");
    }

    [Fact]
    public async Task The_program_archives_restores_and_verifies_and_refuses_when_it_is_told_to()
    {
        var (path, archive) = (AddNewer(1), Scene.MakeDirectory("archive"));
        var name = Scene.Segments[1].ToString();

        var refused = await WalProgram.RunAsync("archive", "-D", Scene.DataDirectory, "--unknown-version", "refuse", "--dst-local", archive, path);
        var archived = await WalProgram.RunAsync("archive", "-D", Scene.DataDirectory, "--dst-local", archive, path);
        var restored = await WalProgram.RunAsync("restore", "-D", Scene.DataDirectory, "--source", archive, name, "pg_wal/RECOVERYXLOG");
        var restoreRefused = await WalProgram.RunAsync("restore", "-D", Scene.DataDirectory, "--unknown-version", "refuse", "--source", archive, name, "pg_wal/other");
        var verified = await WalProgram.RunAsync("verify", "--archive", archive);
        var verifyRefused = await WalProgram.RunAsync("verify", "--unknown-version", "refuse", "--archive", archive);
        var dumped = await WalProgram.RunAsync("dump", Path.Combine(archive, name));
        var dumpRefused = await WalProgram.RunAsync("dump", "--unknown-version", "refuse", Path.Combine(archive, name));

        refused.ExitCode.Should().Be(10, refused.Error);
        refused.Error.Should().Contain($"has the version '{NewControlVersion}'");
        archived.ExitCode.Should().Be(0, archived.Error);
        archived.Error.Should().Contain($"omnipg-wal: warning: {name} was written by a server that is newer than this package");
        restored.ExitCode.Should().Be(0, restored.Error);
        restored.Error.Should().Contain("newer than this package");
        (await File.ReadAllBytesAsync(Path.Combine(Scene.DataDirectory, "pg_wal", "RECOVERYXLOG"), Token)).Should().Equal(await File.ReadAllBytesAsync(Scene.Located(Scene.Segments[1]), Token));
        restoreRefused.ExitCode.Should().Be(255, restoreRefused.Error);
        verified.ExitCode.Should().Be(0, verified.Output + verified.Error);
        verified.Error.Should().Contain("1 segments were written by a server that is newer than this program: only their headers were checked.");
        verifyRefused.ExitCode.Should().Be(23);
        dumped.ExitCode.Should().Be(0, dumped.Error);
        dumped.Error.Should().Contain("newer than this program").And.Contain("unknown version of PostgreSQL");
        dumpRefused.ExitCode.Should().Be(23);
    }

    private ulong SystemIdentifier => BinaryPrimitives.ReadUInt64LittleEndian(Scene.Original(Scene.Segment).AsSpan(24));

    private string AddNewer(int index)
    {
        Scene.WriteControlFile(SystemIdentifier, version: NewControlVersion);
        var path = Scene.Add(Scene.Segments[index]);
        Change(index, b =>
        {
            for (var page = 0; page < b.Length && b[page + 1] == 0xD1; page += 8192)
                BinaryPrimitives.WriteUInt16LittleEndian(b.AsSpan(page), NewMagic);
        });
        return path;
    }

    private void Change(int index, Action<byte[]> change)
    {
        var located = Scene.Located(Scene.Segments[index]);
        File.WriteAllBytes(located, File.ReadAllBytes(located).With(change));
    }
}
