using System.Globalization;
using System.Text;
using OmniPg.Partman;

namespace OmniPg.Cli;

/// <summary>
/// The partitions of a set in a line, oldest first, a cell for each: its height is the partition's size, and a sign says what the next maintenance does with it.
/// </summary>
internal static class Timeline
{
    private const string Heights = "▁▂▃▄▅▆▇█";
    private const char Gap = ' ';

    private static readonly (PartitionFate Fate, char Sign, string Text)[] Signs =
    [
        (PartitionFate.Create, '░', "to be created"), (PartitionFate.Detach, '◁', "to be detached"), (PartitionFate.Move, '◁', "to be moved"),
        (PartitionFate.Archive, '▣', "to be archived"), (PartitionFate.Drop, '×', "to be dropped"),
    ];

    /// <summary>The lines: cells, bounds below them, and what the signs mean.</summary>
    /// <param name="partitions">As <see cref="IPartman.ListPartitionsAsync"/> gives them.</param>
    /// <param name="width">Columns of the terminal.</param>
    /// <returns>Three lines at most; none where the set has no partition but a default one.</returns>
    public static IReadOnlyList<string> Lines(IReadOnlyList<Partition> partitions, int width)
    {
        var ranges = partitions.Where(p => !p.IsDefault).OrderBy(p => p.Lower).ToList();
        if (ranges.Count == 0)
            return [];
        // Of more than there is room for, neighbours share a cell.
        var perCell = (ranges.Count + width - 1) / width;
        var cells = new StringBuilder();
        var sizes = ranges.Chunk(perCell).Select(c => c.Sum(p => p.TotalBytes)).ToList();
        var largest = sizes.Max();
        var before = (Partition?)null;
        foreach (var (cell, size) in ranges.Chunk(perCell).Zip(sizes))
        {
            if (before is { } left && left.Upper < cell[0].Lower && perCell == 1)
                cells.Append(Gap);
            before = cell[^1];
            var sign = Signs.FirstOrDefault(s => cell.Any(p => p.Fate == s.Fate));
            cells.Append(sign.Sign == default ? Heights[largest == 0 ? 0 : (int)((long)(Heights.Length - 1) * size / largest)] : sign.Sign);
        }
        var (first, last) = (ranges[0].Lower.ToString(), ranges[^1].Upper.ToString());
        var room = cells.Length - first.Length - last.Length;
        var used = Signs.Where(s => ranges.Exists(p => p.Fate == s.Fate)).Select(s => $"{s.Sign} {s.Text}").ToList();
        return
        [
            cells.ToString(), room > 0 ? first + new string(' ', room) + last : $"{first} … {last}",
            string.Join("   ", used.Prepend((largest == 0 ? "▁ empty, or of no size that the server knows yet" : $"▁…█ up to {largest.ToString("N0", CultureInfo.InvariantCulture)} bytes") + (perCell > 1 ? $" in {perCell} partitions" : ""))),
        ];
    }
}
