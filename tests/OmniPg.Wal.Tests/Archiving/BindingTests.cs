using OmniPg.Wal.Tests.Segments;
using OmniPg.Wal.Tests.Storage;

namespace OmniPg.Wal.Tests.Archiving;

public sealed class BindingTests(WalWorkloads workloads) : ArchiveTests(workloads)
{
    [Fact]
    public async Task An_empty_archive_gets_the_marker_of_its_cluster()
    {
        await using var store = new MemoryWalStore();
        await using var archiver = Scene.Archiver().To(d => d.Store(store).Layout(WalLayout.Sharded)).Build();

        await archiver.ArchiveAsync(Scene.Add(), Token);

        var marker = await WalArchiveMarker.ReadAsync(store, Token);
        marker!.SystemIdentifier.Should().Be(PgControlFile.Read(Scene.DataDirectory).SystemIdentifier);
        (marker.PgVersion, marker.WalSegmentSize, marker.Layout).Should().Be((15, 1 << 20, WalLayout.Sharded));
    }

    [Fact]
    public async Task The_archive_of_another_cluster_is_refused_before_a_byte_is_written()
    {
        var mine = new FaultyStore("mine");
        await using var foreign = new MemoryWalStore("foreign");
        await new WalArchiveMarker { SystemIdentifier = 42, PgVersion = 15, WalSegmentSize = 1 << 20 }.WriteAsync(foreign, Token);
        await using var archiver = Scene.Archiver().WithState(Scene.MakeDirectory("state")).To(d => d.Store(mine)).To(d => d.Store(foreign)).Build();

        var act = () => archiver.ArchiveAsync(Scene.Add(), Token);

        var system = PgControlFile.Read(Scene.DataDirectory).SystemIdentifier;
        (await act.Should().ThrowAsync<WalArchiveMismatchException>())
            .WithMessage($"The archive 'memory:foreign' belongs to a cluster with system identifier '42', this cluster has '{system}'. Hint: *");
        mine.Creations.Should().Be(0);
    }

    [Fact]
    public async Task An_archive_with_files_but_no_marker_is_refused_unless_adopted()
    {
        await using var store = new MemoryWalStore("old");
        await store.PutAsync("000000010000000000000009.gz", [1], Token);
        var path = Scene.Add();
        await using var careful = Scene.Archiver().To(d => d.Store(store)).Build();
        await using var adopting = Scene.Archiver().To(d => d.Store(store)).BindTo(ArchiveBinding.Adopt).Build();

        await careful.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalArchiveMismatchException>()
            .WithMessage("The archive 'memory:old' has no marker but holds '000000010000000000000009.gz'.*");
        (await adopting.ArchiveAsync(path, Token)).IsArchived.Should().BeTrue();
        (await careful.ArchiveAsync(path, Token)).IsArchived.Should().BeTrue();
    }

    [Fact]
    public async Task After_an_upgrade_the_archive_is_adopted_with_its_new_version()
    {
        await using var store = new MemoryWalStore();
        var system = PgControlFile.Read(Scene.DataDirectory).SystemIdentifier;
        await new WalArchiveMarker { SystemIdentifier = system, PgVersion = 14, WalSegmentSize = 1 << 20 }.WriteAsync(store, Token);
        var path = Scene.Add();
        await using var careful = Scene.Archiver().To(d => d.Store(store)).Build();
        await using var adopting = Scene.Archiver().To(d => d.Store(store)).BindTo(ArchiveBinding.Adopt).Build();

        await careful.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalArchiveMismatchException>().WithMessage("*PostgreSQL version '14'*'15'*");
        await adopting.ArchiveAsync(path, Token);

        (await WalArchiveMarker.ReadAsync(store, Token))!.PgVersion.Should().Be(15);
    }

    [Fact]
    public async Task A_segment_of_another_cluster_is_refused()
    {
        var store = new FaultyStore("archive");
        await using var archiver = Scene.Archiver().To(d => d.Store(store)).Build();
        Scene.WriteControlFile(4711);

        var act = () => archiver.ArchiveAsync(Scene.Add(), Token);

        (await act.Should().ThrowAsync<WalValidationException>()).Which.Problem.Should().Be(WalValidationProblem.ForeignCluster);
        (await store.ListAsync("", Token).Select(e => e.Key).ToListAsync(Token)).Should().Equal(WalArchiveMarker.Key);
    }

    [Fact]
    public async Task A_cluster_that_was_replaced_under_a_running_archiver_is_refused()
    {
        await using var store = new MemoryWalStore();
        await using var archiver = Scene.Archiver().To(d => d.Store(store)).Validate(WalValidation.None).Build();
        await archiver.ArchiveAsync(Scene.Add(), Token);
        Scene.WriteControlFile(4711);

        var act = () => archiver.ArchiveAsync(Scene.Add(Scene.Segments[2]), Token);

        await act.Should().ThrowAsync<WalArchiveMismatchException>().WithMessage("*system identifier*'4711'*");
    }

    [Fact]
    public async Task An_archive_whose_marker_vanished_under_a_running_archiver_is_not_begun_anew()
    {
        var archive = Scene.MakeDirectory("archive");
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).Build();
        await archiver.ArchiveAsync(Scene.Add(), Token);
        Directory.Delete(archive, recursive: true);
        Directory.CreateDirectory(archive);

        var act = () => archiver.ArchiveAsync(Scene.Add(Scene.Segments[2]), Token);

        (await act.Should().ThrowAsync<WalDeliveryException>()).WithMessage("*mounted*");
        Directory.EnumerateFileSystemEntries(archive).Should().BeEmpty();
    }
}
