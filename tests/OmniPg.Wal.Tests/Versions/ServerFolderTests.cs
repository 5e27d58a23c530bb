using System.Buffers.Binary;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Recovery;
using OmniPg.Wal.Tests.Segments;
using OmniPg.Shared;

namespace OmniPg.Wal.Tests.Versions;

/// <summary>Every server that <c>OMNIPG_TEST_PGBINS</c> names, of any version, released or not: what the table says of it is what it does.</summary>
public sealed class ServerFolderTests
{
    private const string NoFolder = "";

    public static TheoryData<string> Folders => [.. PgInstallations.FromEnvironment().Select(i => i.BinDirectory).DefaultIfEmpty(NoFolder)];

    [Theory]
    [MemberData(nameof(Folders))]
    public async Task Page_magic_and_control_file_are_those_of_the_table_and_the_reader_sees_what_pg_waldump_sees(string folder)
    {
        var installation = Find(folder);
        using var workload = await WalWorkload.CreateAsync(null, 1, 4, TestContext.Current.CancellationToken, installation);
        var row = PgMajor.Known.Should().ContainSingle(m => m.Number == installation.Major).Subject;

        BinaryPrimitives.ReadUInt16LittleEndian(workload.Read(workload.Segments[0])).Should().Be(row.Magic);
        workload.ControlFile.ControlVersion.Should().Be(row.Control!.Version);
        workload.ControlFile.PgMajor.Should().Be(installation.Major);
        workload.ControlFile.SystemIdentifier.Should().Be(workload.SystemIdentifier);
        workload.ControlFile.SegmentSize.Should().Be(1 << 20);
        workload.ControlFile.WalLevel.Should().Be(2);
        workload.ControlFile.State.Should().Be(PgClusterState.ShutDown);
        workload.ControlFile.Redo.Should().Be(workload.ControlFile.Checkpoint).And.BeGreaterThan(workload.LastPosition);
        await PgWaldumpComparisonTests.AssertSameRecordsAsync(workload);
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public async Task Archive_and_point_in_time_recovery_are_whole(string folder)
    {
        await using var scene = new RecoveryScene { Installation = Find(folder) };
        await scene.InitializeAsync();
        var token = TestContext.Current.CancellationToken;

        await using var point = await scene.RecoverAsync(scene.RestoreCommand(), ("recovery_target_name", RecoveryScene.PointName));
        await using var end = await scene.RecoverAsync(scene.RestoreCommand());

        (await scene.Primary.ScalarAsync<long>("SELECT failed_count FROM pg_stat_archiver", token)).Should().Be(0, scene.Primary.ReadLog());
        (await point.ScalarAsync<long>("SELECT count(*) FROM kept", token)).Should().Be(100);
        (await end.ScalarAsync<long>("SELECT count(*) FROM kept", token)).Should().Be(200);
    }

    private static PgInstallation Find(string folder)
    {
        Assert.SkipWhen(folder == NoFolder, "OMNIPG_TEST_PGBINS names no server.");
        return PgInstallations.FromEnvironment().First(i => i.BinDirectory == folder);
    }
}
