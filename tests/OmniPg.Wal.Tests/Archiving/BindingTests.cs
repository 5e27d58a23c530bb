using OmniPg.Testing;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Archiving;

public sealed class BindingTests(WalWorkloads workloads) : ArchiveTests(workloads)
{
    [Fact]
    public async Task An_empty_archive_gets_the_marker_of_its_cluster()
    {
        await using var store = new MemoryObjectStore();
        await using var archiver = Scene.Archiver().To(d => d.Store(store).Layout(WalLayout.Sharded)).Build();

        await archiver.ArchiveAsync(Scene.Add(), Token);

        var marker = await WalArchiveMarker.ReadAsync(store, Token);
        marker!.SystemIdentifier.Should().Be(PgControlFile.Read(Scene.DataDirectory).SystemIdentifier);
        (marker.PgVersion, marker.WalSegmentSize, marker.Layout).Should().Be((Scene.Major, 1 << 20, WalLayout.Sharded));
    }

    [Fact]
    public async Task The_archive_of_another_cluster_is_refused_before_a_byte_is_written()
    {
        var mine = new FaultyStore("mine");
        await using var foreign = new MemoryObjectStore("foreign");
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
        await using var store = new MemoryObjectStore("old");
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
        await using var store = new MemoryObjectStore();
        var system = PgControlFile.Read(Scene.DataDirectory).SystemIdentifier;
        await new WalArchiveMarker { SystemIdentifier = system, PgVersion = Scene.Major - 1, WalSegmentSize = 1 << 20 }.WriteAsync(store, Token);
        var path = Scene.Add();
        await using var careful = Scene.Archiver().To(d => d.Store(store)).Build();
        await using var adopting = Scene.Archiver().To(d => d.Store(store)).BindTo(ArchiveBinding.Adopt).Build();

        await careful.Awaiting(a => a.ArchiveAsync(path, Token)).Should().ThrowAsync<WalArchiveMismatchException>().WithMessage($"*PostgreSQL version '{Scene.Major - 1}'*'{Scene.Major}'*");
        await adopting.ArchiveAsync(path, Token);

        (await WalArchiveMarker.ReadAsync(store, Token))!.PgVersion.Should().Be(Scene.Major);
    }

    [Fact]
    public async Task A_segment_of_another_cluster_is_refused()
    {
        var store = new FaultyStore("archive");
        await using var archiver = Scene.Archiver().To(d => d.Store(store)).Build();
        Scene.WriteControlFile(4711);

        var act = () => archiver.ArchiveAsync(Scene.Add(), Token);

        (await act.Should().ThrowAsync<WalValidationException>()).Which.Problem.Should().Be(WalValidationProblem.ForeignCluster);
        (await store.ListAsync("", Token).ToListAsync(Token)).Should().BeEmpty("a failing call claims no archive");
    }

    [Fact]
    public async Task A_cluster_that_was_replaced_under_a_running_archiver_is_refused()
    {
        await using var store = new MemoryObjectStore();
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

    [Fact]
    public async Task A_fresh_process_begins_no_archive_where_the_cluster_has_archived_before()
    {
        var archive = Scene.MakeDirectory("archive");
        var done = MarkDone("000000010000000000000001");
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).Build();

        var act = () => archiver.ArchiveAsync(Scene.Add(), Token);

        var failure = (await act.Should().ThrowAsync<WalDeliveryException>()).Which.Failures.Single();
        failure.Should().BeOfType<WalArchiveAbsentException>();
        failure.Message.Should().Be(
            $"There is no archive at 'directory:{archive}': the marker 'omnipg-archive.json' is missing, yet the cluster in '{Scene.DataDirectory}' has archived before: '{done}'. "
            + "Hint: If storage belongs there, it is not mounted: mount it. To begin a new archive, say so once: 'omnipg-wal init', or 'archive --begin'.");
        Directory.EnumerateFileSystemEntries(archive).Should().BeEmpty();
    }

    [Fact]
    public async Task The_state_directory_remembers_that_the_cluster_has_archived_when_the_server_does_not()
    {
        var (archive, state) = (Scene.MakeDirectory("archive"), Scene.MakeDirectory("state"));
        await using (var first = Scene.Archiver().WithState(state).To(d => d.Directory(archive)).Build())
            await first.ArchiveAsync(Scene.Add(), Token);
        Directory.Delete(archive, recursive: true);
        Directory.CreateDirectory(archive);
        var record = Directory.GetFiles(state, "*.archived").Should().ContainSingle().Subject;
        await using var second = Scene.Archiver().WithState(state).To(d => d.Directory(archive)).Build();
        var act = () => second.ArchiveAsync(Scene.Add(Scene.Segments[2]), Token);

        await act.Should().ThrowAsync<WalDeliveryException>().WithMessage($"*has archived before: '{record}'*");
        // Neither damage nor emptiness of the record makes it say less.
        await File.WriteAllBytesAsync(record, [], Token);
        await act.Should().ThrowAsync<WalDeliveryException>().WithMessage($"*has archived before: '{record}'*");
        // That of another cluster is none.
        File.Move(record, Path.Combine(state, "4711.archived"));
        (await act()).IsArchived.Should().BeTrue();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_further_archive_is_begun_on_request(bool byCall)
    {
        var archive = Scene.MakeDirectory("archive");
        MarkDone("000000010000000000000001");
        var builder = Scene.Archiver().To(d => d.Directory(archive).Layout(WalLayout.Sharded)).BindTo(byCall ? ArchiveBinding.Cluster : ArchiveBinding.Begin);
        await using var archiver = builder.Build();
        if (byCall)
        {
            var begun = (await archiver.BeginAsync(Token)).Should().ContainSingle().Subject;
            (begun.Layout, begun.SystemIdentifier).Should().Be((WalLayout.Sharded, PgControlFile.Read(Scene.DataDirectory).SystemIdentifier));
            (await archiver.BeginAsync(Token)).Should().Equal(begun);
        }

        (await archiver.ArchiveAsync(Scene.Add(), Token)).IsArchived.Should().BeTrue();
    }

    [Fact]
    public async Task Beginning_takes_neither_the_archive_of_another_cluster_nor_unmarked_files()
    {
        await using var foreign = new MemoryObjectStore("foreign");
        await new WalArchiveMarker { SystemIdentifier = 42, PgVersion = 15, WalSegmentSize = 1 << 20 }.WriteAsync(foreign, Token);
        await using var unmarked = new MemoryObjectStore("unmarked");
        await unmarked.PutAsync("000000010000000000000009.gz", [1], Token);

        foreach (var store in (IObjectStore[])[foreign, unmarked])
        {
            await using var archiver = Scene.Archiver().To(d => d.Store(store)).BindTo(ArchiveBinding.Begin).Build();
            await archiver.Awaiting(a => a.BeginAsync(Token)).Should().ThrowAsync<WalArchiveMismatchException>();
            await archiver.Awaiting(a => a.ArchiveAsync(Scene.Add(), Token)).Should().ThrowAsync<WalArchiveMismatchException>();
            (await store.ListAsync("", Token).ToListAsync(Token)).Should().ContainSingle();
        }
    }

    [Fact]
    public async Task Adopting_begins_no_empty_archive_where_the_cluster_has_archived_before()
    {
        var archive = Scene.MakeDirectory("archive");
        MarkDone("000000010000000000000001");
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).BindTo(ArchiveBinding.Adopt).Build();

        await archiver.Awaiting(a => a.ArchiveAsync(Scene.Add(), Token)).Should().ThrowAsync<WalDeliveryException>().WithMessage("*has archived before*");
        Directory.EnumerateFileSystemEntries(archive).Should().BeEmpty();
    }

    [Fact]
    public async Task A_first_call_that_failed_at_one_destination_may_begin_it_when_it_is_repeated()
    {
        var (good, late) = (Scene.MakeDirectory("good"), Path.Combine(Scene.Root, "late"));
        await using var archiver = Scene.Archiver().WithState(Scene.MakeDirectory("state")).To(d => d.Directory(good)).To(d => d.Directory(late)).Build();
        await archiver.Awaiting(a => a.ArchiveAsync(Scene.Add(), Token)).Should().ThrowAsync<WalDeliveryException>();
        Directory.CreateDirectory(late);
        await using var again = Scene.Archiver().WithState(Scene.MakeDirectory("state")).To(d => d.Directory(good)).To(d => d.Directory(late)).Build();

        (await again.ArchiveAsync(Scene.Add(), Token)).IsArchived.Should().BeTrue();
        File.Exists(Path.Combine(late, WalArchiveMarker.Key)).Should().BeTrue();
    }

    [Fact]
    public async Task A_failing_call_claims_no_archive()
    {
        var archive = Scene.MakeDirectory("archive");
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).Build();
        await File.WriteAllBytesAsync(Scene.Located(Scene.Segments[3]), new byte[100], Token);

        await archiver.Awaiting(a => a.ArchiveAsync("pg_wal/000000010000000000000AAA", Token)).Should().ThrowAsync<WalInputException>();
        await archiver.Awaiting(a => a.ArchiveAsync(ArchiveScene.PathOf(Scene.Segments[3]), Token)).Should().ThrowAsync<WalValidationException>();
        Directory.EnumerateFileSystemEntries(archive).Should().BeEmpty();
    }

    [Fact]
    public async Task A_destination_that_takes_no_byte_is_not_claimed()
    {
        var store = new FaultyStore("full", FaultAt.Write);
        await using var archiver = Scene.Archiver().To(d => d.Store(store)).Build();

        await archiver.Awaiting(a => a.ArchiveAsync(Scene.Add(), Token)).Should().ThrowAsync<WalDeliveryException>();

        (await store.ListAsync("", Token).ToListAsync(Token)).Should().BeEmpty();
    }

    [Fact]
    public async Task Storage_that_vanishes_while_a_file_is_under_way_takes_nothing()
    {
        var archive = Scene.MakeDirectory("archive");
        var unmount = new ImmediateProgress(_ =>
        {
            if (Directory.Exists(archive + ".gone") || !File.Exists(Path.Combine(archive, WalArchiveMarker.Key)))
                return;
            Directory.Move(archive, archive + ".gone");
            Directory.CreateDirectory(archive);
        });
        await using var archiver = Scene.Archiver().To(d => d.Directory(archive)).Build();
        await archiver.BeginAsync(Token);

        var act = () => archiver.ArchiveAsync(Scene.Add(), unmount, Token);

        await act.Should().ThrowAsync<WalDeliveryException>();
        Directory.EnumerateFiles(archive).Should().BeEmpty();
    }

    [Fact]
    public async Task An_archive_that_another_call_begins_between_two_looks_is_used()
    {
        var system = PgControlFile.Read(Scene.DataDirectory).SystemIdentifier;
        await using var store = new MemoryObjectStore();
        await using var archiver = Scene.Archiver().To(d => d.Store(new OvertakenStore(store, async () =>
        {
            await new WalArchiveMarker { SystemIdentifier = system, PgVersion = Scene.Major, WalSegmentSize = 1 << 20 }.WriteAsync(store, Token);
            await store.PutAsync(Scene.Segments[2].ToString(), [1], Token);
        }))).Build();

        (await archiver.ArchiveAsync(Scene.Add(), Token)).IsArchived.Should().BeTrue();
    }

    private string MarkDone(string name)
    {
        var path = Path.Combine(Scene.DataDirectory, "pg_wal", "archive_status", name + ".done");
        File.WriteAllText(path, "");
        return path;
    }

    /// <summary>Somebody else begins the archive right after it was first looked for.</summary>
    private sealed class OvertakenStore(MemoryObjectStore inner, Func<Task> begin) : IObjectStore
    {
        private bool _begun;

        public string Id => inner.Id;

        public Task<string> IdentifyAsync(CancellationToken cancellationToken = default) => inner.IdentifyAsync(cancellationToken);

        public async Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default)
        {
            var found = await inner.OpenReadAsync(key, cancellationToken);
            if (!_begun)
                await begin();
            _begun = true;
            return found;
        }

        public ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default) => inner.CreateAsync(key, info, cancellationToken);

        public Task<ObjectEntry?> StatAsync(string key, CancellationToken cancellationToken = default) => inner.StatAsync(key, cancellationToken);

        public IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, CancellationToken cancellationToken = default) => inner.ListAsync(prefix, cancellationToken);

        public Task DeleteAsync(string key, CancellationToken cancellationToken = default) => inner.DeleteAsync(key, cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
