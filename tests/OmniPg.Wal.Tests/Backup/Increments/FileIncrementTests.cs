using System.Buffers.Binary;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>The file format of increments, and the rules of what an incremental backup takes of a file.</summary>
public sealed class FileIncrementTests : IDisposable
{
    private const int Block = FileIncrement.BlockBytes;
    private const string Relation = "base/5/16384";
    private static readonly RelationFork Fork = new(1663, 5, 16384, RelationFork.Main);
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(10, 10, new int[0], 10)]
    [InlineData(10, 10, new[] { 0, 3, 4, 5, 9 }, 10)]
    [InlineData(10, 4, new[] { 1, 7 }, 4)]
    [InlineData(4, 10, new[] { 6, 7, 8, 9 }, 4)]
    [InlineData(5000, 5000, new[] { 17, 18, 4000 }, 5000)]
    public void What_is_read_of_a_file_in_pieces_brings_an_older_one_up_to_date(int before, int now, int[] changed, uint length)
    {
        var (old, current) = (Make("old", before, 1), Make("current", now, 2));
        using var file = File.OpenHandle(current);
        uint[] blocks = [.. changed.Where(b => b < now).Select(b => (uint)b)];
        var increment = new FileIncrement(blocks, length);

        using (var writer = new FileIncrement.Writer(old, increment.Bytes))
        {
            var piece = new byte[5000];
            for (long at = 0; at < increment.Bytes;)
            {
                var count = increment.Read(file, piece.AsSpan(0, (int)Math.Min(piece.Length, increment.Bytes - at)), at);
                writer.Write(piece.AsSpan(0, count));
                at += count;
            }

            writer.Finish();
        }

        var result = File.ReadAllBytes(old);
        result.Length.Should().Be((int)Math.Max(length, blocks.Length == 0 ? 0 : blocks[^1] + 1) * Block);
        for (var b = 0; b < result.Length / Block; b++)
            result[b * Block].Should().Be(blocks.Contains((uint)b) ? Mark(b, 2) : b < length && b < before ? Mark(b, 1) : (byte)0, $"block {b}");
        increment.Bytes.Should().Be(blocks.Length == 0 ? 12 : Block + (blocks.Length * Block));
    }

    [Theory]
    [InlineData(0, 7u, "is no increment of its size")]
    [InlineData(4, 3u, "is no increment of its size")]
    [InlineData(16, 1u, "names its blocks out of order")]
    public void An_increment_that_is_damaged_changes_nothing_beyond_its_file_and_is_refused(int at, uint value, string reason)
    {
        var (old, current) = (Make("old", 10, 1), Make("current", 10, 2));
        using var file = File.OpenHandle(current);
        var bytes = new byte[new FileIncrement([1, 2], 10).Bytes];
        for (var read = 0; read < bytes.Length;)
            read += new FileIncrement([1, 2], 10).Read(file, bytes.AsSpan(read), read);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(at), value);

        using var writer = new FileIncrement.Writer(old, bytes.Length);
        var write = () => writer.Write(bytes);

        write.Should().Throw<InvalidDataException>().WithMessage($"*{reason}*");
    }

    [Fact]
    public void An_increment_that_ends_early_or_has_no_file_is_refused()
    {
        using var writer = new FileIncrement.Writer(Make("old", 10, 1), Block * 2);
        writer.Write(new byte[11]);
        var early = writer.Finish;
        var absent = () => new FileIncrement.Writer(_directory.Combine("absent"), 12);

        early.Should().Throw<InvalidDataException>().WithMessage("*ends too early*");
        absent.Should().Throw<InvalidDataException>().WithMessage("*which no backup before it holds*");
    }

    [Theory]
    [InlineData("base/5/16384", 10, true)]
    [InlineData("base/5/16384", 0, false)]
    [InlineData("base/5/16385", 10, false)]
    [InlineData("base/5/16386_fsm", 10, false)]
    [InlineData("base/5/16386_vm", 10, false)]
    [InlineData("base/5/16387_init", 10, true)]
    [InlineData("base/6/16384", 10, false)]
    [InlineData("base/5/pg_filenode.map", 1, false)]
    [InlineData("global/1262", 10, true)]
    [InlineData("pg_tblspc/16400/PG_17_202406281/5/16384.1", 10, true)]
    [InlineData("pg_xact/0000", 10, false)]
    public void Only_relations_that_the_older_backup_has_and_that_were_not_made_anew_come_in_part(string path, long blocks, bool isPart)
    {
        var changed = new ChangedBlocks();
        changed.AddLimit(new RelationFork(1663, 6, 0, RelationFork.Main), 0);
        string[] known = ["base/5/16384", "base/5/16386_fsm", "base/5/16386_vm", "base/5/INCREMENTAL.16387_init", "base/6/16384", "base/5/pg_filenode.map", "global/1262", "pg_tblspc/16400/PG_17_202406281/5/16384.1", "pg_xact/0000"];

        (Plan(changed, known).Of(path, blocks * Block) is not null).Should().Be(isPart);
    }

    [Theory]
    [InlineData("base/5/INCREMENTAL.16384", "base/5/16384")]
    [InlineData("global/INCREMENTAL.1262_init", "global/1262_init")]
    [InlineData("pg_tblspc/16400/PG_17_202406281/5/INCREMENTAL.16384.1", "pg_tblspc/16400/PG_17_202406281/5/16384.1")]
    [InlineData("PG_17_202406281/5/INCREMENTAL.16384.1", "PG_17_202406281/5/16384.1")]
    [InlineData("INCREMENTAL.7", null)]
    [InlineData("own/INCREMENTAL.7", null)]
    [InlineData("base/INCREMENTAL.7", null)]
    [InlineData("base/5/INCREMENTAL.7.old", null)]
    [InlineData("base/5/16384", null)]
    public void Only_in_folders_of_relations_a_name_means_an_increment(string path, string? file)
    {
        FileIncrement.FileOf(path).Should().Be(file);
        if (file is not null)
            FileIncrement.PathOf(file).Should().Be(path);
    }

    [Fact]
    public void Changed_blocks_are_taken_and_all_of_what_was_cut_off_and_grew_again()
    {
        var changed = new ChangedBlocks();
        foreach (var block in (uint[])[3, 70000, 131072 + 9, 5])
            changed.Add(Fork, block);
        var cut = new ChangedBlocks();
        cut.Add(Fork, 1);
        cut.Add(Fork, 9);
        cut.AddLimit(Fork, 8);
        cut.AddLimit(Fork, 6);
        string[] known = [Relation, Relation + ".1"];

        Blocks(Plan(changed, known).Of(Relation, 131072L * Block)!).Should().Equal(131072u, 3u, 5u, 70000u);
        Blocks(Plan(changed, known).Of(Relation + ".1", 100L * Block)!).Should().Equal(100u, 9u);
        Blocks(Plan(cut, known).Of(Relation, 10L * Block)!).Should().Equal(6u, 1u, 6u, 7u, 8u, 9u);
        Blocks(Plan(cut, known).Of(Relation, 5L * Block)!).Should().Equal(5u, 1u);
        Plan(cut, known).Of(Relation + ".1", 10L * Block).Should().BeNull();
    }

    [Fact]
    public void A_file_of_which_nearly_all_was_changed_comes_whole()
    {
        var changed = new ChangedBlocks();
        for (uint block = 0; block < 9; block++)
            changed.Add(Fork, block);

        Plan(changed, [Relation]).Of(Relation, 10L * Block).Should().NotBeNull();
        changed.Add(Fork, 9);
        Plan(changed, [Relation]).Of(Relation, 10L * Block).Should().BeNull();
    }

    private static IncrementPlan Plan(ChangedBlocks changed, string[] known) => new(known.ToHashSet(), changed, 131072);

    /// <summary>Length and block numbers of an increment, as they stand in its header.</summary>
    private uint[] Blocks(FileIncrement increment)
    {
        using var none = File.OpenHandle(Make("none", 0, 0));
        var header = new byte[Math.Min(increment.Bytes, Block)];
        increment.Read(none, header, 0);
        var count = BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(4));
        return [.. Enumerable.Range(2, count + 1).Select(i => BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(i * sizeof(uint))))];
    }

    private static byte Mark(int block, int generation) => (byte)(1 + (block % 100) + (generation * 101));

    private string Make(string name, int blocks, int generation)
    {
        var bytes = new byte[blocks * Block];
        for (var b = 0; b < blocks; b++)
            bytes.AsSpan(b * Block, Block).Fill(Mark(b, generation));
        var path = _directory.Combine(name);
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
