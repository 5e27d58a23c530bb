using Microsoft.Extensions.Options;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Archiving;

public sealed class OptionsTests(WalWorkloads workloads) : ArchiveTests(workloads)
{
    [Fact]
    public void Defaults_are_the_documented_ones()
    {
        var options = new WalArchiveOptions();
        var destination = new WalDestinationOptions();

        (options.DataDirectory, options.RequireDataDirectory, options.StateDirectory).Should().Be((".", true, null));
        (options.Validation, options.Binding).Should().Be((WalValidation.Full, ArchiveBinding.Cluster));
        (options.MaxParallelism, options.TemporaryDirectory, options.RsyncProgram, options.QueueLimit).Should().Be((null, null, "rsync", null));
        (options.Timeout, options.OptionalGrace).Should().Be((TimeSpan.FromMinutes(5), TimeSpan.FromSeconds(10)));
        (destination.Codec, destination.Level, destination.Layout, destination.IsRequired, destination.WhenExists).Should().Be(("none", null, WalLayout.Flat, true, false));
        (destination.Attempts, destination.RetryDelay, destination.Timeout).Should().Be((1, TimeSpan.FromSeconds(1), null));
    }

    [Fact]
    public void A_limit_of_the_queue_is_no_less_than_one_large_segment_and_needs_a_state_directory()
    {
        var options = new WalArchiveOptions { QueueLimit = 16_777_215, Destinations = [new() { Directory = "/a" }] };

        var act = () => new WalArchiver(options);

        act.Should().Throw<OptionsValidationException>().WithMessage("QueueLimit '16777215' must be at least '16777216'.; QueueLimit needs StateDirectory, to know which segments were given up.");
    }

    [Fact]
    public void Everything_wrong_is_named_at_once()
    {
        var options = new WalArchiveOptions
        {
            Timeout = TimeSpan.Zero, StateDirectory = "/nowhere", MaxParallelism = 0, MaxRate = 32767, RsyncProgram = "", TemporaryDirectory = "/no/temp",
            Destinations =
            [
                new() { Directory = "/a", Rsync = "h:/b" },
                new() { Directory = "/a", Codec = "snappy", Attempts = 0 },
                new() { Pipe = "/bin/cat", Layout = WalLayout.Sharded, WhenExists = true, Codec = "zstd", Level = 40 },
            ],
        };

        var act = () => new WalArchiver(options);

        act.Should().Throw<OptionsValidationException>().WithMessage(
            "Timeout '00:00:00' must be positive.; "
            + "MaxParallelism '0' must be at least '1'.; "
            + "RsyncProgram '' must not be empty.; "
            + "TemporaryDirectory '/no/temp' does not exist.; "
            + "MaxRate '32767' must be at least '32768'.; "
            + "StateDirectory '/nowhere' does not exist.; "
            + "Destination '/a' must have exactly one of Directory, Rsync, Pipe and a sink.; "
            + "Attempts '0' of destination '/a' must be between '1' and '100'.; "
            + "Destination '/a': Codec 'snappy' is unknown. Known are*"
            + "Destination '/bin/cat' can be left out while absent only when it is a directory.; "
            + "Destination '/bin/cat' takes bare file names and cannot be sharded.; "
            + "Destination '/bin/cat': Codec 'zstd' takes levels from '-7' to '22'.*");
    }

    [Fact]
    public void Two_required_destinations_need_a_state_directory()
    {
        var act = () => Scene.Archiver().To(d => d.Directory("/a")).To(d => d.Directory("/b")).Build();

        act.Should().Throw<OptionsValidationException>().WithMessage("Two or more required destinations need StateDirectory*");
        Scene.Archiver().To(d => d.Directory("/a")).To(d => d.Directory("/b").Optional()).Build().Should().NotBeNull();
    }

    [Fact]
    public async Task A_destination_given_twice_is_used_once()
    {
        var archive = Scene.MakeDirectory("archive");
        await using var archiver = Scene.Archiver().WithState(Scene.Root).To(d => d.Directory(archive)).To(d => d.Directory(archive)).Build();

        (await archiver.ArchiveAsync(Scene.Add(), Token)).Destinations.Should().ContainSingle();
    }

    [Fact]
    public async Task A_data_directory_is_asked_for_unless_told_otherwise()
    {
        File.Delete(Path.Combine(Scene.DataDirectory, "PG_VERSION"));
        var path = Scene.Add();
        await using var careful = Scene.Archiver().To(d => d.Store(new MemoryObjectStore())).Build();
        await using var forced = Scene.Archiver().With(o => o.RequireDataDirectory = false).To(d => d.Store(new MemoryObjectStore())).Build();

        await careful.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalConfigurationException>().WithMessage("*is no PostgreSQL data directory*");
        (await forced.ArchiveAsync(path, Token)).IsArchived.Should().BeTrue();
    }

    [Theory]
    [InlineData("pg_wal/xlogtemp.123")]
    [InlineData("pg_wal/00000001000000000000000")]
    [InlineData("pg_wal/0000000100000000000000011")]
    [InlineData("pg_wal/000000010000000000000001.partial.partial")]
    [InlineData("pg_wal/../../../etc/passwd")]
    [InlineData("pg_wal/000000010000000000000001\n")]
    [InlineData("pg_wal/000000010000000000000001\0")]
    [InlineData("pg_wal/000000010000000000000001 ")]
    [InlineData("pg_wal/'000000010000000000000001'")]
    [InlineData("pg_wal/00000001000000000000000\uff11")]
    [InlineData("pg_wal/")]
    public async Task What_is_no_wal_file_is_refused_before_any_storage_is_touched(string path)
    {
        var store = new FaultyStore("archive", FaultAt.Stat);
        await using var archiver = Scene.Archiver().To(d => d.Store(store)).Build();

        await archiver.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<ArgumentException>().WithMessage("*is not the path of a WAL file*");
    }
}
