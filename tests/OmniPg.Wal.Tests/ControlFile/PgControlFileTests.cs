using System.Buffers.Binary;
using System.Globalization;
using NpgsqlTypes;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.ControlFile;

public sealed class PgControlFileTests(PgControlFileTests.StoppedServer server) : IClassFixture<PgControlFileTests.StoppedServer>
{
    private string DataDirectory => server.Directory.Combine("copy");

    private string FilePath => Path.Combine(DataDirectory, "global", "pg_control");

    [Fact]
    public void Content_equals_that_of_pg_controldata()
    {
        Assert.SkipWhen(server.ControlData.Count == 0, "pg_controldata is not installed.");
        var control = PgControlFile.Read(DataDirectory);

        var said = server.ControlData;
        control.SystemIdentifier.ToString(CultureInfo.InvariantCulture).Should().Be(said["Database system identifier"]);
        control.ControlVersion.ToString(CultureInfo.InvariantCulture).Should().Be(said["pg_control version number"]);
        control.CatalogVersion.ToString(CultureInfo.InvariantCulture).Should().Be(said["Catalog version number"]);
        control.Checkpoint.Should().Be(NpgsqlLogSequenceNumber.Parse(said["Latest checkpoint location"]));
        control.Redo.Should().Be(NpgsqlLogSequenceNumber.Parse(said["Latest checkpoint's REDO location"]));
        control.RedoSegment.ToString().Should().Be(said["Latest checkpoint's REDO WAL file"]);
        control.Timeline.ToString(CultureInfo.InvariantCulture).Should().Be(said["Latest checkpoint's TimeLineID"]);
        control.PreviousTimeline.ToString(CultureInfo.InvariantCulture).Should().Be(said["Latest checkpoint's PrevTimeLineID"]);
        control.MinRecoveryPoint.Should().Be(NpgsqlLogSequenceNumber.Parse(said["Minimum recovery ending location"]));
        control.MinRecoveryTimeline.ToString(CultureInfo.InvariantCulture).Should().Be(said["Min recovery ending loc's timeline"]);
        control.SegmentSize.ToString(CultureInfo.InvariantCulture).Should().Be(said["Bytes per WAL segment"]);
        control.DataChecksumVersion.ToString(CultureInfo.InvariantCulture).Should().Be(said["Data page checksum version"]);
        said["Database cluster state"].Should().Be("shut down");
        control.State.Should().Be(PgClusterState.ShutDown);
    }

    [Fact]
    public async Task Both_ways_of_reading_give_the_same()
    {
        var asynchronous = await PgControlFile.ReadAsync(DataDirectory, cancellationToken: TestContext.Current.CancellationToken);

        asynchronous.Should().BeEquivalentTo(PgControlFile.Read(DataDirectory));
    }

    [Fact]
    public void A_flipped_bit_anywhere_before_the_checksum_is_found()
    {
        var content = File.ReadAllBytes(FilePath);
        for (var offset = 0; offset < 292; offset++)
        {
            var damaged = content.With(b => b[offset] ^= 0x20);

            var parse = () => PgControlFile.Parse(damaged, "pg_control");

            parse.Should().Throw<WalControlFileException>("byte {0} is wrong", offset).Which.Code.Should().BeOneOf("wal.control.damaged", "wal.control.unknown-version");
        }
    }

    [Fact]
    public void Damage_is_told_with_both_checksums()
    {
        var damaged = File.ReadAllBytes(FilePath).With(b => b[40] ^= 1);

        var parse = () => PgControlFile.Parse(damaged, "/data/global/pg_control");

        var error = parse.Should().Throw<WalControlFileException>().Which;
        error.Message.Should().MatchRegex("^'/data/global/pg_control' is damaged: its CRC is '[0-9A-F]{8}' but '[0-9A-F]{8}' is expected. Hint: Check the disk; ");
        error.File.Should().Be("pg_control");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(11)]
    [InlineData(200)]
    public void A_short_file_is_damaged(int length)
    {
        var parse = () => PgControlFile.Parse(File.ReadAllBytes(FilePath).AsSpan(0, length), "pg_control");

        parse.Should().Throw<WalControlFileException>().WithMessage($"'pg_control' is damaged: it has '{length}' bytes but '8192' are expected.*")
            .Which.Code.Should().Be("wal.control.damaged");
    }

    [Fact]
    public void An_unknown_version_is_told_from_the_other_byte_order()
    {
        var content = File.ReadAllBytes(FilePath);
        var version = BinaryPrimitives.ReadUInt32LittleEndian(content.AsSpan(8));
        var unknown = () => PgControlFile.Parse(content.With(b => BinaryPrimitives.WriteUInt32LittleEndian(b.AsSpan(8), 9900)), "f");
        var swapped = () => PgControlFile.Parse(content.With(b => BinaryPrimitives.WriteUInt32BigEndian(b.AsSpan(8), version)), "f");

        unknown.Should().Throw<WalControlFileException>().WithMessage(
            "'f' has the version '9900' but one of '1300' (PostgreSQL 13 to 16), '1700' (PostgreSQL 17), '1800' (PostgreSQL 18), '1905' (PostgreSQL 19) is expected."
            + " Hint: This package reads the control files of PostgreSQL 13 to 18, 19 as a preview; a later one may know more.");
        swapped.Should().Throw<WalControlFileException>().WithMessage("'f' was written by a machine of the other byte order.*")
            .Which.Code.Should().Be("wal.control.unknown-version");
    }

    [Fact]
    public async Task A_torn_read_is_repeated_until_the_writer_is_done()
    {
        using var directory = new TemporaryDirectory();
        var path = Write(directory, File.ReadAllBytes(FilePath).With(b => b[40] ^= 1));
        var time = new WaitableTimeProvider();

        var reading = PgControlFile.ReadAsync(directory.Path, time, TestContext.Current.CancellationToken);
        await PassPausesAsync(time, 3);
        File.Copy(FilePath, path, overwrite: true);
        await PassPausesAsync(time, 1);

        (await reading).SystemIdentifier.Should().Be(PgControlFile.Read(DataDirectory).SystemIdentifier);
    }

    [Fact]
    public async Task A_damaged_file_is_read_ten_times_before_it_counts_as_damaged()
    {
        using var directory = new TemporaryDirectory();
        Write(directory, File.ReadAllBytes(FilePath).With(b => b[40] ^= 1));
        var time = new WaitableTimeProvider();

        var reading = PgControlFile.ReadAsync(directory.Path, time, TestContext.Current.CancellationToken);
        await PassPausesAsync(time, 9);

        var wait = () => reading;
        (await wait.Should().ThrowAsync<WalControlFileException>()).Which.Code.Should().Be("wal.control.damaged");
    }

    [Fact]
    public void A_missing_file_is_told_with_its_path()
    {
        using var directory = new TemporaryDirectory();

        var read = () => PgControlFile.Read(directory.Path);

        read.Should().Throw<WalControlFileException>()
            .WithMessage($"'{directory.Combine("global", "pg_control")}' does not exist. Hint: Name the data directory of a PostgreSQL cluster (PGDATA).")
            .Which.Code.Should().Be("wal.control.missing");
    }

    [Fact]
    public void A_directory_in_its_place_is_unreadable()
    {
        using var directory = new TemporaryDirectory();
        Directory.CreateDirectory(directory.Combine("global", "pg_control"));

        var read = () => PgControlFile.Read(directory.Path);

        read.Should().Throw<WalControlFileException>().Which.Code.Should().Be("wal.control.unreadable");
    }

    private static async Task PassPausesAsync(WaitableTimeProvider time, int count)
    {
        for (var i = 0; i < count; i++)
        {
            await Eventually.TrueAsync(() => time.WaitingTimers == 1, "the reader pauses", cancellationToken: TestContext.Current.CancellationToken);
            time.Advance(TimeSpan.FromMilliseconds(10));
        }
    }

    private static string Write(TemporaryDirectory directory, byte[] content)
    {
        var path = Path.Combine(Directory.CreateDirectory(directory.Combine("global")).FullName, "pg_control");
        File.WriteAllBytes(path, content);
        return path;
    }

    /// <summary>The control file of a server that was stopped, and what <c>pg_controldata</c> says about it.</summary>
    public sealed class StoppedServer : IAsyncLifetime
    {
        public TemporaryDirectory Directory { get; } = new();

        public IReadOnlyDictionary<string, string> ControlData { get; private set; } = new Dictionary<string, string>();

        public async ValueTask InitializeAsync()
        {
            await using var cluster = await PgCluster.StartAsync(new PgClusterOptions { InitDbArguments = ["--data-checksums"] });
            await cluster.StopAsync();
            System.IO.Directory.CreateDirectory(Directory.Combine("copy", "global"));
            File.Copy(Path.Combine(cluster.DataDirectory, "global", "pg_control"), Directory.Combine("copy", "global", "pg_control"));
            if (cluster.Installation.Has("pg_controldata"))
                ControlData = Parse((await cluster.RunProgramAsync("pg_controldata", cluster.DataDirectory)).MustSucceed().Output);
        }

        public ValueTask DisposeAsync()
        {
            Directory.Dispose();
            return ValueTask.CompletedTask;
        }

        private static Dictionary<string, string> Parse(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(':', 2)).ToDictionary(pair => pair[0], pair => pair[1].Trim());
    }
}
